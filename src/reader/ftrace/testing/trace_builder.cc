#include "reader/ftrace/testing/trace_builder.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "base/strings.h"

namespace vs::reader::ftrace::testing {

ByteWriter& ByteWriter::number(std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    const std::size_t place = order_ == ByteOrder::kLittle ? i : bytes - 1 - i;
    out_ += static_cast<char>((value >> (8 * place)) & 0xffU);
  }
  return *this;
}
ByteWriter& ByteWriter::text(std::string_view text) {
  out_ += text;
  return *this;
}
ByteWriter& ByteWriter::padded(std::string_view text, std::size_t size) {
  out_ += text.substr(0, size);
  out_.append(size - std::min(size, text.size()), '\0');
  return *this;
}
ByteWriter& ByteWriter::align(std::size_t alignment) {
  return fill_to((out_.size() + alignment - 1) / alignment * alignment);
}
ByteWriter& ByteWriter::fill_to(std::size_t size) {
  if (out_.size() < size) out_.append(size - out_.size(), '\0');
  return *this;
}

void overwrite(std::string& file, std::size_t offset, std::uint64_t value, std::size_t bytes,
               ByteOrder order) {
  file.replace(offset, bytes, ByteWriter(order).number(value, bytes).str());
}

Variant variant_of(std::string_view name) {
  Variant out;
  const auto words = split(name, '-');
  if (words.size() < 2) return Variant{0};
  out.version = words[0] == "v6" ? 6 : 7;
  const std::string_view machine = words.back();
  if (words.size() == 3) out.codec = codec_of(words[1]).value_or(Codec::kNone);
  out.order = machine.starts_with("be") ? ByteOrder::kBig : ByteOrder::kLittle;
  out.long_size = machine.ends_with('4') ? 4 : 8;
  return out;
}

std::uint32_t PageBuilder::head(ByteOrder order, std::uint32_t type_len, std::uint32_t delta) {
  return order == ByteOrder::kLittle ? (delta << 5) | type_len : (type_len << 27) | delta;
}

PageBuilder& PageBuilder::event(std::uint32_t delta, std::string_view record) {
  if (record.size() > 28 * 4) return long_event(delta, record);
  const auto words = static_cast<std::uint32_t>((record.size() + 3) / 4);
  data_.u32(head(variant_.order, words, delta)).padded(record, std::size_t{words} * 4);
  return *this;
}
PageBuilder& PageBuilder::long_event(std::uint32_t delta, std::string_view record) {
  data_.u32(head(variant_.order, 0, delta)).u32(record.size() + 4).text(record).align(4);
  return *this;
}
PageBuilder& PageBuilder::extend(std::uint64_t delta) {
  data_.u32(head(variant_.order, 30, static_cast<std::uint32_t>(delta & ((1U << 27) - 1))))
      .u32(delta >> 27);
  return *this;
}
PageBuilder& PageBuilder::stamp(std::uint64_t time) {
  const std::uint64_t low = time & ((1ULL << 59) - 1);
  data_.u32(head(variant_.order, 31, static_cast<std::uint32_t>(low & ((1U << 27) - 1))))
      .u32(low >> 27);
  return *this;
}
PageBuilder& PageBuilder::padding(std::uint32_t delta, std::uint32_t bytes) {
  data_.u32(head(variant_.order, 29, delta)).u32(bytes).fill_to(data_.size() + bytes - 4);
  return *this;
}
PageBuilder& PageBuilder::word(std::uint32_t word) {
  data_.u32(word);
  return *this;
}

std::string PageBuilder::build() const {
  ByteWriter out(variant_.order);
  out.u64(time_).number(data_.size() | flags_, variant_.long_size).text(data_.str());
  if ((flags_ & (1ULL << 30)) != 0) out.number(count_, variant_.long_size);
  out.fill_to(variant_.page_size);
  return out.str();
}

std::string TraceBuilder::sized(std::string_view text, std::size_t size_bytes) const {
  return ByteWriter(variant.order).number(text.size(), size_bytes).text(text).str();
}

std::string TraceBuilder::packed(std::string_view data) const {
  std::string out;
  if (variant.codec == Codec::kZstd) {
    out.resize(ZSTD_compressBound(data.size()));
    out.resize(ZSTD_compress(out.data(), out.size(), data.data(), data.size(), 3));
    return out;
  }
  uLongf size = compressBound(data.size());
  out.resize(size);
  const std::string_view in = data;
  compress(static_cast<Bytef*>(static_cast<void*>(out.data())), &size,
           static_cast<const Bytef*>(static_cast<const void*>(in.data())), in.size());
  out.resize(size);
  return out;
}

void TraceBuilder::write_header(ByteWriter& out) {
  out.text(
      "\x17\x08"
      "Dtracing");
  marks["version"] = out.size();
  out.c_string(std::to_string(variant.version));
  marks["endian"] = out.size();
  out.u8(variant.order == ByteOrder::kBig ? 1 : 0).u8(variant.long_size);
  marks["page_size"] = out.size();
  out.u32(4096);
}

std::string TraceBuilder::header_info() {
  ByteWriter out(variant.order);
  out.c_string("header_page").text(sized(header_page, 8));
  out.c_string("header_event").text(sized(header_event, 8));
  return out.str();
}

std::string TraceBuilder::ftrace_formats() const {
  ByteWriter out(variant.order);
  std::string body;
  std::uint32_t count = 0;
  for (const auto& [system, text] : formats) {
    if (system != "ftrace") continue;
    body += sized(text, 8);
    ++count;
  }
  return out.u32(count).text(body).str();
}

std::string TraceBuilder::event_formats() const {
  std::vector<std::string> systems;
  for (const auto& [system, text] : formats) {
    if (system != "ftrace" && std::find(systems.begin(), systems.end(), system) == systems.end())
      systems.push_back(system);
  }
  ByteWriter out(variant.order);
  out.u32(systems.size());
  for (const std::string& name : systems) {
    const auto is_mine = [&](const auto& entry) { return entry.first == name; };
    out.c_string(name).u32(
        static_cast<std::uint64_t>(std::count_if(formats.begin(), formats.end(), is_mine)));
    for (const auto& entry : formats) {
      if (is_mine(entry)) out.text(sized(entry.second, 8));
    }
  }
  return out.str();
}

void TraceBuilder::write_option(ByteWriter& out, const OptionSpec& spec) {
  std::string mark = fmt::format("option.{}", spec.id);
  for (int i = 1; marks.contains(mark); ++i) mark = fmt::format("option.{}.{}", spec.id, i);
  marks[mark] = out.size();
  out.u16(spec.id).u32(spec.data.size()).text(spec.data);
}

std::string TraceBuilder::cpu_mark(std::size_t buffer, std::uint32_t cpu) const {
  return buffer == 0 ? fmt::format("{}", cpu) : fmt::format("b{}.{}", buffer, cpu);
}

/// The pages of one CPU, plain or in chunks, at the writer's position.
void TraceBuilder::write_cpu(ByteWriter& out, std::size_t buffer, const CpuPages& cpu) {
  const std::string name = cpu_mark(buffer, cpu.cpu);
  marks["cpu." + name] = out.size();
  if (variant.codec == Codec::kNone || variant.version == 6) {
    for (std::size_t i = 0; i < cpu.pages.size(); ++i) {
      marks[fmt::format("page.{}.{}", name, i)] = out.size();
      out.text(cpu.pages[i]);
    }
    return;
  }
  const std::size_t chunks = (cpu.pages.size() + variant.chunk_pages - 1) / variant.chunk_pages;
  out.u32(chunks);
  for (std::size_t i = 0; i < chunks; ++i) {
    std::string data;
    for (std::size_t page = i * variant.chunk_pages;
         page < cpu.pages.size() && page < (i + 1) * variant.chunk_pages; ++page) {
      data += cpu.pages[page];
    }
    marks[fmt::format("chunk.{}.{}", name, i)] = out.size();
    const std::string body = packed(data);
    out.u32(body.size()).u32(data.size()).text(body);
  }
}

void TraceBuilder::write_section(ByteWriter& out, std::uint16_t id, const std::string& data) {
  marks[fmt::format("section.{}", id)] = out.size();
  const bool pack = variant.codec != Codec::kNone && id != 0;
  out.u16(id).u16(pack ? 1 : 0).u32(0);
  if (!pack) {
    out.u64(data.size()).text(data);
    return;
  }
  const std::string body = packed(data);
  out.u64(body.size() + 8).u32(body.size()).u32(data.size()).text(body);
}

void TraceBuilder::write_flyrecord(ByteWriter& out, std::size_t index,
                                   std::vector<std::string>& buffer_options) {
  const BufferSpec& buffer = buffers[index];
  const std::size_t header = out.size();
  marks[index == 0 ? "section.3" : fmt::format("section.3.{}", index)] = header;
  const bool pack = variant.codec != Codec::kNone;
  // The pages are written to a scratch copy first: the header before them holds their size.
  ByteWriter body(variant.order);
  body.fill_to(header + 16);
  ByteWriter option(variant.order);
  option.u64(header)
      .c_string(buffer.name)
      .c_string(buffer.clock)
      .u32(variant.page_size)
      .u32(buffer.cpus.size());
  for (const CpuPages& cpu : buffer.cpus) {
    body.align(4096);
    const std::size_t begin = body.size();
    write_cpu(body, index, cpu);
    // As trace-cmd does: the size leaves out the count of chunks.
    option.u32(cpu.cpu).u64(begin).u64(body.size() - begin - (pack ? 4 : 0));
  }
  buffer_options.push_back(option.str());
  out.u16(3).u16(pack ? 1 : 0).u32(0).u64(body.size() - header - 16);
  out.text(std::string_view(body.str()).substr(out.size()));
}

std::string TraceBuilder::build_v7() {
  ByteWriter out(variant.order);
  write_header(out);
  marks["codec"] = out.size();
  out.c_string(name_of(variant.codec)).c_string("1");
  marks["first_options"] = out.size();
  out.u64(0);
  std::vector<std::pair<std::uint16_t, std::uint64_t>> pointers;
  const auto part = [&](std::uint16_t id, const std::string& data) {
    pointers.emplace_back(id, out.size());
    write_section(out, id, data);
  };
  part(16, header_info());
  part(17, ftrace_formats());
  part(18, event_formats());
  part(19, sized(kallsyms, 4));
  part(20, sized(printk, 4));
  part(21, sized(cmdlines, 8));
  const std::size_t first = out.size();
  marks["options"] = first;
  // Options sections are plain, so that their marks are places in the file.
  ByteWriter list(variant.order);
  list.fill_to(first + 16);
  for (const auto& [id, offset] : pointers)
    write_option(list, {id, ByteWriter(variant.order).u64(offset).str()});
  for (const OptionSpec& spec : options) write_option(list, spec);
  marks["done"] = list.size();
  list.u16(0).u32(8).u64(0);
  out.u16(0)
      .u16(0)
      .u32(0)
      .u64(list.size() - first - 16)
      .text(std::string_view(list.str()).substr(first + 16));
  std::vector<std::string> buffer_options;
  for (std::size_t i = 0; i < buffers.size(); ++i) write_flyrecord(out, i, buffer_options);
  marks["options2"] = out.size();
  ByteWriter second(variant.order);
  second.fill_to(out.size() + 16);
  for (const std::string& data : buffer_options) write_option(second, {3, data});
  marks["done2"] = second.size();
  second.u16(0).u32(8).u64(0);
  const std::size_t at = out.size();
  out.u16(0)
      .u16(0)
      .u32(0)
      .u64(second.size() - at - 16)
      .text(std::string_view(second.str()).substr(at + 16));
  write_section(out, 15, std::string("headers\0options\0", 16));
  std::string file = out.str();
  overwrite(file, marks["first_options"], first, 8, variant.order);
  overwrite(file, marks["done"] + 6, at, 8, variant.order);
  return file;
}

void TraceBuilder::write_v6_buffer(std::string& file, std::size_t index, std::size_t table) {
  ByteWriter body(variant.order);
  body.text(file);
  for (std::size_t i = 0; i < buffers[index].cpus.size(); ++i) {
    body.align(4096);
    const std::size_t begin = body.size();
    write_cpu(body, index, buffers[index].cpus[i]);
    std::string next = body.str();
    overwrite(next, table + i * 16, begin, 8, variant.order);
    overwrite(next, table + i * 16 + 8, body.size() - begin, 8, variant.order);
    body = ByteWriter(variant.order);
    body.text(next);
  }
  file = body.str();
}

std::string TraceBuilder::build_v6() {
  ByteWriter out(variant.order);
  write_header(out);
  marks["header_info"] = out.size();
  out.text(header_info());
  marks["ftrace_formats"] = out.size();
  out.text(ftrace_formats());
  marks["event_formats"] = out.size();
  out.text(event_formats());
  marks["kallsyms"] = out.size();
  out.text(sized(kallsyms, 4));
  marks["printk"] = out.size();
  out.text(sized(printk, 4));
  marks["cmdlines"] = out.size();
  out.text(sized(cmdlines, 8));
  marks["cpu_count"] = out.size();
  out.u32(cpu_count);
  marks["kind"] = out.size();
  out.padded("options  ", 10);
  for (const OptionSpec& spec : options) write_option(out, spec);
  for (std::size_t i = 1; i < buffers.size(); ++i) {
    write_option(out, {3, ByteWriter(variant.order).u64(0).c_string(buffers[i].name).str()});
  }
  marks["done"] = out.size();
  out.u16(0);
  marks["flyrecord"] = out.size();
  out.padded("flyrecord", 10);
  marks["table"] = out.size();
  out.fill_to(out.size() + std::size_t{cpu_count} * 16);
  out.text(sized(fmt::format("[{}]", buffers.front().clock) + std::string(1, '\0'), 8));
  std::string file = out.str();
  write_v6_buffer(file, 0, marks["table"]);
  for (std::size_t i = 1; i < buffers.size(); ++i) {
    const std::string option = i == 1 ? "option.3" : fmt::format("option.3.{}", i - 1);
    overwrite(file, marks[option] + 6, file.size(), 8, variant.order);
    marks[fmt::format("table.{}", i)] = file.size() + 10;
    file += std::string("flyrecord\0", 10);
    const std::size_t table = file.size();
    file.append(std::size_t{cpu_count} * 16, '\0');
    write_v6_buffer(file, i, table);
  }
  return file;
}

std::string TraceBuilder::build() {
  marks.clear();
  const std::string file = variant.version == 6 ? build_v6() : build_v7();
  marks["end"] = file.size();
  return file;
}

}  // namespace vs::reader::ftrace::testing
