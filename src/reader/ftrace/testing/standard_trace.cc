#include <fmt/format.h>

#include "reader/ftrace/testing/trace_builder.h"

namespace vs::reader::ftrace::testing {
namespace {

constexpr std::string_view kCommon =
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n";

std::string format_text(std::string_view name, int id, std::string_view fields) {
  return fmt::format("name: {}\nID: {}\nformat:\n{}{}\nprint fmt: \"\"\n", name, id, kCommon,
                     fields);
}

std::string field(std::string_view declaration, std::uint32_t offset, std::uint32_t size,
                  int is_signed) {
  return fmt::format("\tfield:{};\toffset:{};\tsize:{};\tsigned:{};\n", declaration, offset, size,
                     is_signed);
}

void add_formats(TraceBuilder& trace) {
  const std::uint32_t l = trace.variant.long_size;
  trace.formats.emplace_back(
      "ftrace", format_text("print", 5,
                            field("unsigned long ip", 8, l, 0) + field("char buf[]", 8 + l, 0, 1)));
  trace.formats.emplace_back(
      "sched",
      format_text("sched_switch", 316,
                  field("char prev_comm[16]", 8, 16, 0) + field("pid_t prev_pid", 24, 4, 1) +
                      field("int prev_prio", 28, 4, 1) + field("long prev_state", 32, l, 1) +
                      field("char next_comm[16]", 32 + l, 16, 0) +
                      field("pid_t next_pid", 48 + l, 4, 1) +
                      field("int next_prio", 52 + l, 4, 1)));
  trace.formats.emplace_back(
      "sched", format_text("sched_waking", 318,
                           field("char comm[16]", 8, 16, 0) + field("pid_t pid", 24, 4, 1) +
                               field("int prio", 28, 4, 1) + field("int target_cpu", 32, 4, 1)));
  trace.formats.emplace_back(
      "sched", format_text("sched_process_exec", 320,
                           field("__data_loc char[] filename", 8, 4, 0) +
                               field("pid_t pid", 12, 4, 1) + field("pid_t old_pid", 16, 4, 1)));
  trace.formats.emplace_back("kvm", format_text("kvm_entry", 400,
                                                field("unsigned int vcpu_id", 8, 4, 0) +
                                                    field("unsigned long rip", 12, l, 0) +
                                                    field("__rel_loc u16[] list", 12 + l, 4, 0)));
}

void add_options(TraceBuilder& trace) {
  const auto text = [](std::string_view value) {
    return std::string(value) + std::string(1, '\0');
  };
  trace.options.push_back({4, text("local [mono] x86-tsc\n")});
  trace.options.push_back({5, text("Linux box 6.1.0 x86_64")});
  trace.options.push_back({9, text("3.1.6 test")});
  trace.options.push_back({11, ByteWriter(trace.variant.order).u64(0x1234).str()});
  for (int cpu = 0; cpu < 2; ++cpu) {
    trace.options.push_back(
        {2, text(fmt::format(
                "CPU: {}\nentries: 0\noverrun: 0\ncommit overrun: 0\ndropped events: 0\n", cpu))});
  }
  trace.options.push_back({8, ByteWriter(trace.variant.order).u32(2).str()});
}

std::string page_of(const Variant& variant, std::uint32_t cpu, std::uint32_t number) {
  PageBuilder page(variant, 1'000'000 + number * 100'000 + cpu * 10);
  for (std::uint32_t i = 0; i < kStandardPageEvents; ++i) {
    if (number == 0 && i == 3) page.extend(1ULL << 13);
    if (number == 0 && i == 5) page.stamp(1'050'000 + cpu);
    if (number == 0 && i == 7) page.padding(500, 16);
    const std::string record = standard_record(variant, cpu, number * 10 + i);
    if (i == 9) {
      page.long_event(1000, record);
    } else {
      page.event(1000, record);
    }
  }
  return page.build();
}

}  // namespace

std::string standard_record(const Variant& variant, std::uint32_t cpu, std::uint32_t i) {
  constexpr std::uint16_t kIds[] = {316, 318, 5, 400, 320};
  const std::uint32_t l = variant.long_size;
  ByteWriter out(variant.order);
  out.u16(kIds[i % 5]).u8(0).u8(0).u32(10 + cpu);
  switch (i % 5) {
    case 0:
      out.padded("alpha", 16).u32(10).u32(120).number(1, l).padded("beta", 16).u32(11).u32(100);
      break;
    case 1:
      out.padded("beta", 16).u32(11).u32(100).u32(cpu);
      break;
    case 2:
      out.number(0x1000, l).text(fmt::format("mark {}\n", i)).u8(0).align(4);
      break;
    case 3:
      out.u32(1).number(0xfff0, l).u32(4U << 16).u16(7).u16(8);
      break;
    default:
      out.u32(20U | (8U << 16)).u32(11).u32(11).c_string("/bin/ls");
      break;
  }
  return out.str();
}

TraceBuilder standard_trace(const Variant& variant) {
  TraceBuilder trace(variant);
  const std::uint32_t l = variant.long_size;
  trace.header_page = field(" u64 timestamp", 0, 8, 0) + field(" local_t commit", 8, l, 1) +
                      field(" int overwrite", 8, 1, 1) +
                      field(" char data", 8 + l, variant.page_size - 8 - l, 1);
  trace.header_event =
      "# compressed entry header\n\ttype_len    :    5 bits\n\ttime_delta  :   27 bits\n"
      "\tarray       :   32 bits\n\n\tpadding     : type == 29\n\ttime_extend : type == 30\n"
      "\ttime_stamp : type == 31\n\tdata max type_len  == 28\n";
  add_formats(trace);
  add_options(trace);
  BufferSpec buffer;
  for (std::uint32_t cpu = 0; cpu < 2; ++cpu) {
    CpuPages pages{cpu, {}};
    for (std::uint32_t number = 0; number < 4 - cpu; ++number)
      pages.pages.push_back(page_of(variant, cpu, number));
    buffer.cpus.push_back(std::move(pages));
  }
  trace.buffers.push_back(std::move(buffer));
  return trace;
}

}  // namespace vs::reader::ftrace::testing
