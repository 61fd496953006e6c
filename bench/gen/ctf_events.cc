#include "gen/ctf_events.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <string_view>

namespace vs::bench {
namespace {

// A field list in short: "s32 name", "comm name" (16 bytes of text), "str name", "vtids", ...
struct Declaration {
  std::string_view name;
  std::string_view fields;
};

constexpr Declaration kDeclarations[] = {
    {"sched_switch",
     "comm prev_comm,s32 prev_tid,s32 prev_prio,s64 prev_state,comm next_comm,s32 next_tid,"
     "s32 next_prio"},
    {"sched_waking", "comm comm,s32 tid,s32 prio,s32 target_cpu"},
    {"sched_wakeup", "comm comm,s32 tid,s32 prio,s32 target_cpu"},
    {"irq_handler_entry", "s32 irq,str name"},
    {"irq_handler_exit", "s32 irq,s32 ret"},
    {"irq_softirq_raise", "u32 vec"},
    {"irq_softirq_entry", "u32 vec"},
    {"irq_softirq_exit", "u32 vec"},
    {"timer_hrtimer_expire_entry", "x64 hrtimer,s64 now,x64 function"},
    {"timer_hrtimer_expire_exit", "x64 hrtimer"},
    {"kvm_x86_entry", "u32 vcpu_id"},
    {"kvm_x86_exit",
     "u32 exit_reason,u64 guest_rip,u32 isa,u64 info1,u64 info2,u32 intr_info,u32 error_code,"
     "u32 vcpu_id"},
    {"kvm_x86_hypercall", "u64 nr,u64 a0,u64 a1,u64 a2,u64 a3"},
    {"kvm_x86_pio", "u32 rw,u32 port,u32 size,u32 count"},
    {"vmsync_gh_host", "u32 cnt,u64 vm_uid"},
    {"vmsync_hg_host", "u32 cnt,u64 vm_uid"},
    {"vmsync_gh_guest", "u32 cnt,u64 vm_uid"},
    {"vmsync_hg_guest", "u32 cnt,u64 vm_uid"},
    {"sched_process_fork",
     "comm parent_comm,s32 parent_tid,s32 parent_pid,u32 parent_ns_inum,comm child_comm,"
     "s32 child_tid,vtids vtids,s32 child_pid,u32 child_ns_inum"},
    {"lttng_statedump_start", ""},
    {"lttng_statedump_end", ""},
    {"lttng_statedump_process_state",
     "s32 tid,s32 pid,s32 ppid,comm name,s32 type,s32 mode,s32 submode,s32 status,u32 cpu"},
    {"syscall_entry_read", "u32 fd,u64 count"},
    {"syscall_exit_read", "s64 ret,x64 buf"},
    {"syscall_entry_write", "u32 fd,x64 buf,u64 count"},
    {"syscall_exit_write", "s64 ret"},
    {"syscall_entry_openat", "s32 dfd,str filename,s32 flags,u16 mode"},
    {"syscall_exit_openat", "s64 ret"},
    {"syscall_entry_futex", "x64 uaddr,s32 op,u32 val,x64 utime,x64 uaddr2,u32 val3"},
    {"syscall_exit_futex", "s64 ret,x64 uaddr,x64 uaddr2"},
    {"syscall_entry_epoll_wait", "s32 epfd,s32 maxevents,s32 timeout"},
    {"syscall_exit_epoll_wait", "s64 ret,x64 events"},
    {"syscall_entry_ioctl", "u32 fd,u32 cmd,u64 arg"},
    {"syscall_exit_ioctl", "s64 ret,u64 arg"},
    {"syscall_entry_close", "u32 fd"},
    {"syscall_exit_close", "s64 ret"},
};
static_assert(std::size(kDeclarations) == kEventTypes);

std::string integer(unsigned bits, int is_signed, int base, std::string_view name,
                    std::string_view encoding = "none") {
  return fmt::format(
      "\t\tinteger {{ size = {}; align = 8; signed = {}; encoding = {}; base = {}; }} _{};\n", bits,
      is_signed, encoding, base, name);
}

std::string field(std::string_view kind, std::string_view name) {
  if (kind == "comm") return integer(8, 0, 10, fmt::format("{}[16]", name), "UTF8");
  if (kind == "str") return fmt::format("\t\tstring _{};\n", name);
  if (kind == "vtids") {
    return integer(8, 0, 10, fmt::format("_{}_length", name)) +
           integer(32, 1, 10, fmt::format("{}[ __{}_length ]", name, name));
  }
  const unsigned bits = kind.ends_with("64") ? 64 : kind.ends_with("32") ? 32 : 16;
  return integer(bits, kind[0] == 's' ? 1 : 0, kind[0] == 'x' ? 16 : 10, name);
}

std::string fields(std::string_view list) {
  std::string out;
  while (!list.empty()) {
    const std::string_view one = list.substr(0, list.find(','));
    list.remove_prefix(one.size() == list.size() ? one.size() : one.size() + 1);
    const std::size_t space = one.find(' ');
    out += field(one.substr(0, space), one.substr(space + 1));
  }
  return out;
}

std::string event_block(std::string_view name, std::uint32_t id, std::string_view body) {
  return fmt::format(
      "event {{\n\tname = \"{}\";\n\tid = {};\n\tstream_id = 0;\n\tfields := struct {{\n{}\t}};\n"
      "}};\n\n",
      name, id, body);
}

constexpr std::string_view kBasicTypes =
    "/* CTF 1.8 */\n\n"
    "typealias integer { size = 8; align = 8; signed = false; } := uint8_t;\n"
    "typealias integer { size = 16; align = 8; signed = false; } := uint16_t;\n"
    "typealias integer { size = 32; align = 8; signed = false; } := uint32_t;\n"
    "typealias integer { size = 64; align = 8; signed = false; } := uint64_t;\n"
    "typealias integer { size = 64; align = 8; signed = false; } := unsigned long;\n"
    "typealias integer { size = 5; align = 1; signed = false; } := uint5_t;\n"
    "typealias integer { size = 27; align = 1; signed = false; } := uint27_t;\n\n";

constexpr std::string_view kEnvironment =
    "\tdomain = \"kernel\";\n\tsysname = \"Linux\";\n\tkernel_release = \"6.1.0-synthetic\";\n"
    "\tkernel_version = \"#1 SMP\";\n\ttracer_name = \"lttng-modules\";\n\ttracer_major = 2;\n"
    "\ttracer_minor = 13;\n\ttracer_patchlevel = 9;\n};\n\n";

constexpr std::string_view kStream =
    "struct packet_context {\n\tuint64_clock_monotonic_t timestamp_begin;\n"
    "\tuint64_clock_monotonic_t timestamp_end;\n\tuint64_t content_size;\n"
    "\tuint64_t packet_size;\n\tuint64_t packet_seq_num;\n\tunsigned long events_discarded;\n"
    "\tuint32_t cpu_id;\n};\n\n"
    "struct event_header_compact {\n"
    "\tenum : uint5_t { compact = 0 ... 30, extended = 31 } id;\n"
    "\tvariant <id> {\n\t\tstruct {\n\t\t\tuint27_clock_monotonic_t timestamp;\n\t\t} compact;\n"
    "\t\tstruct {\n\t\t\tuint32_t id;\n\t\t\tuint64_clock_monotonic_t timestamp;\n"
    "\t\t} extended;\n\t} v;\n} align(8);\n\n"
    "struct event_header_large {\n"
    "\tenum : uint16_t { compact = 0 ... 65534, extended = 65535 } id;\n"
    "\tvariant <id> {\n\t\tstruct {\n\t\t\tuint32_clock_monotonic_t timestamp;\n\t\t} compact;\n"
    "\t\tstruct {\n\t\t\tuint32_t id;\n\t\t\tuint64_clock_monotonic_t timestamp;\n"
    "\t\t} extended;\n\t} v;\n} align(8);\n\n"
    "stream {\n\tid = 0;\n\tevent.header := struct event_header_large;\n"
    "\tpacket.context := struct packet_context;\n};\n\n";

std::string uuid_text(const std::uint8_t* uuid) {
  std::string out;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", uuid[i]);
  }
  return out;
}

std::string event_blocks(std::uint32_t types) {
  std::string out;
  const std::string unused = fields("u32 fd,x64 buf,u64 count") + integer(64, 1, 10, "ret");
  for (std::uint32_t id = 0, next = 0; id < types || next < kEventTypes; ++id) {
    if (next < kEventTypes && id == id_of(static_cast<EventType>(next))) {
      out += event_block(kDeclarations[next].name, id, fields(kDeclarations[next].fields));
      ++next;
    } else if (id < types) {
      const auto name =
          fmt::format("syscall_{}_unused{}", (id & 1U) != 0 ? "exit" : "entry", id / 2);
      out += event_block(name, id, unused);
    }
  }
  return out;
}

}  // namespace

std::string metadata_text(const MetadataInput& input) {
  std::string out(kBasicTypes);
  out += fmt::format(
      "trace {{\n\tmajor = 1;\n\tminor = 8;\n\tuuid = \"{}\";\n\tbyte_order = le;\n"
      "\tpacket.header := struct {{\n\t\tuint32_t magic;\n\t\tuint8_t  uuid[16];\n"
      "\t\tuint32_t stream_id;\n\t\tuint64_t stream_instance_id;\n\t}};\n}};\n\n"
      "env {{\n\thostname = \"{}\";\n",
      uuid_text(input.uuid), input.hostname);
  out += kEnvironment;
  out += fmt::format(
      "clock {{\n\tname = \"monotonic\";\n\tuuid = \"{}\";\n\tdescription = \"Monotonic Clock\";\n"
      "\tfreq = 1000000000;\n\toffset = 1700000000000000000;\n}};\n\n",
      input.clock_uuid);
  for (const int bits : {27, 32, 64}) {
    out += fmt::format(
        "typealias integer {{\n\tsize = {}; align = {}; signed = false;\n"
        "\tmap = clock.monotonic.value;\n}} := uint{}_clock_monotonic_t;\n\n",
        bits, bits == 27 ? 1 : 8, bits);
  }
  out += kStream;
  return out + event_blocks(input.types);
}

}  // namespace vs::bench
