// compile_program(): Layout nodes to flat operations.
#include <algorithm>
#include <limits>

#include "base/limits.h"
#include "reader/ctf/program.h"

namespace vs::reader::ctf {
namespace {

constexpr std::uint64_t kMaxRunBits = 1U << 28;

class Compiler {
 public:
  Compiler(const Layout& layout, ByteOrder native, std::span<const Binding> bindings,
           const SpecialRegisters& special, ProgramSet& out)
      : layout_(layout), native_(native), bindings_(bindings), special_(special), out_(out) {}

  std::uint32_t compile(std::span<const std::uint32_t> roots, std::uint32_t start_alignment);

 private:
  // What is known of the position: it is `remainder` modulo `modulus` (a power of two).
  struct Known {
    std::uint64_t modulus = 1;
    std::uint64_t remainder = 0;
  };

  void field(std::uint32_t index);
  void number(std::uint32_t index);
  void number_at_unknown_bit(std::uint32_t index, ByteOrder order);
  void string(std::uint32_t index);
  void structure(std::uint32_t index);
  void variant(std::uint32_t index);
  void array(std::uint32_t index);
  bool array_in_run(std::uint32_t index);
  bool array_as_sequence(std::uint32_t index);
  void array_as_loop(std::uint32_t index);

  void align(std::uint32_t bits);
  void advance(std::uint64_t bits);
  void begin_run();
  void flush();
  void emit(Op op) { out_.ops.push_back(op); }
  [[nodiscard]] std::uint32_t here() const { return static_cast<std::uint32_t>(out_.ops.size()); }
  void add_loads(std::uint32_t index, Load shape);
  [[nodiscard]] Load shape_of(const Node& node) const;
  [[nodiscard]] ByteOrder order_of(const Node& node) const;
  [[nodiscard]] std::uint32_t bound_to(std::uint32_t index, DestSpace space) const;
  void forget_position() { known_ = {}; }

  const Layout& layout_;
  ByteOrder native_;
  std::span<const Binding> bindings_;
  SpecialRegisters special_;
  ProgramSet& out_;
  Known known_;
  bool in_run_ = false;
  std::uint64_t run_bits_ = 0;    ///< from the begin of the run
  std::uint32_t run_offset_ = 0;  ///< bit inside its byte where the run begins
  std::uint32_t run_loads_ = 0;
  std::uint16_t run_present_ = 0;
  bool run_order_known_ = false;  ///< order of the last number in this run
  ByteOrder run_order_ = ByteOrder::kLittle;
};

ByteOrder Compiler::order_of(const Node& node) const {
  if (node.type->endian == Endian::kNative) return native_;
  return node.type->endian == Endian::kBig ? ByteOrder::kBig : ByteOrder::kLittle;
}

std::uint32_t Compiler::bound_to(std::uint32_t index, DestSpace space) const {
  for (const Binding& binding : bindings_) {
    if (binding.node == index && binding.space == space) return binding.dest;
  }
  return kNone;
}

Load Compiler::shape_of(const Node& node) const {
  Load load;
  load.size = static_cast<std::uint8_t>(node.type->size_bits);
  load.is_signed = node.type->is_signed;
  load.big = order_of(node) == ByteOrder::kBig;
  return load;
}

// One load per destination of the node's value.
void Compiler::add_loads(std::uint32_t index, Load shape) {
  const Node& node = layout_.nodes[index];
  if (node.slot != kNone) {
    shape.space = DestSpace::kRegister;
    shape.dest = node.slot;
    out_.loads.push_back(shape);
  }
  for (const Binding& binding : bindings_) {
    if (binding.node != index || binding.space == DestSpace::kText) continue;
    shape.space = binding.space;
    shape.dest = binding.dest;
    out_.loads.push_back(shape);
    if (binding.space == DestSpace::kArg) {
      run_present_ = static_cast<std::uint16_t>(run_present_ | (1U << binding.dest));
    }
  }
}

void Compiler::begin_run() {
  if (in_run_) return;
  in_run_ = true;
  run_bits_ = 0;
  run_offset_ = static_cast<std::uint32_t>(known_.remainder % 8);
  run_loads_ = static_cast<std::uint32_t>(out_.loads.size());
  run_present_ = 0;
  run_order_known_ = false;
}

void Compiler::flush() {
  if (!in_run_) return;
  in_run_ = false;
  if (run_bits_ == 0) return;
  Op op;
  op.code = OpCode::kRun;
  op.a = static_cast<std::uint32_t>(run_bits_);
  op.first = run_loads_;
  op.count = static_cast<std::uint32_t>(out_.loads.size()) - run_loads_;
  op.present = run_present_;
  if (run_order_known_) op.order_after = run_order_ == ByteOrder::kBig ? 2 : 1;
  emit(op);
}

void Compiler::advance(std::uint64_t bits) {
  known_.remainder = (known_.remainder + bits) & (known_.modulus - 1);
}

void Compiler::align(std::uint32_t bits) {
  if (bits <= 1) return;
  if (known_.modulus >= bits) {
    const std::uint64_t padding = (bits - (known_.remainder & (bits - 1))) & (bits - 1);
    if (padding == 0) return;
    if (known_.modulus >= 8 && padding <= kMaxRunBits && (!in_run_ || run_bits_ <= kMaxRunBits)) {
      begin_run();
      run_bits_ += padding;
      advance(padding);
      return;
    }
  }
  flush();
  Op op;
  op.code = OpCode::kAlign;
  op.a = bits;
  emit(op);
  if (known_.modulus < bits) known_.modulus = bits;
  known_.remainder =
      (known_.remainder + bits - 1) & ~std::uint64_t{bits - 1} & (known_.modulus - 1);
  if (known_.modulus == bits) known_.remainder = 0;
}

void Compiler::number_at_unknown_bit(std::uint32_t index, ByteOrder order) {
  flush();
  const Node& node = layout_.nodes[index];
  Op op;
  op.code = OpCode::kBits;
  op.first = static_cast<std::uint32_t>(out_.loads.size());
  Load shape = shape_of(node);
  shape.big = order == ByteOrder::kBig;
  run_present_ = 0;
  Load own = shape;  // the first load gives the shape; it stores nothing
  own.space = DestSpace::kText;
  own.dest = kNone;
  out_.loads.push_back(own);
  add_loads(index, shape);
  op.count = static_cast<std::uint32_t>(out_.loads.size()) - op.first;
  op.present = run_present_;
  emit(op);
  advance(node.type->size_bits);
}

void Compiler::number(std::uint32_t index) {
  const Node& node = layout_.nodes[index];
  align(node.type->align_bits);
  const ByteOrder order = order_of(node);
  const bool inside_byte = known_.remainder % 8 != 0;
  const bool order_unknown = inside_byte && !(in_run_ && run_order_known_);
  const bool wide = inside_byte && node.type->size_bits > 57;
  const bool long_run = in_run_ && run_bits_ > kMaxRunBits;
  if (known_.modulus < 8 || order_unknown || wide || long_run) {
    number_at_unknown_bit(index, order);
    return;
  }
  if (inside_byte && run_order_ != order) {
    flush();
    emit(Op{OpCode::kFail, 0, 0, 0, 0, 0, 0});
    return;
  }
  begin_run();
  Load shape = shape_of(node);
  shape.bit = static_cast<std::uint32_t>(run_offset_ + run_bits_);
  add_loads(index, shape);
  run_bits_ += node.type->size_bits;
  run_order_known_ = true;
  run_order_ = order;
  advance(node.type->size_bits);
}

void Compiler::string(std::uint32_t index) {
  align(8);
  flush();
  Op op;
  op.code = OpCode::kString;
  op.a = bound_to(index, DestSpace::kText);
  emit(op);
  known_ = {8, 0};
}

void Compiler::structure(std::uint32_t index) {
  const Node& node = layout_.nodes[index];
  align(node.type->align_bits);
  for (std::uint32_t i = 0; i < node.child_count; ++i) field(node.first_child + i);
}

void Compiler::variant(std::uint32_t index) {
  flush();
  const Node& node = layout_.nodes[index];
  const std::uint32_t at = here();
  Op op;
  op.code = OpCode::kSwitch;
  op.a = node.ref;
  op.first = static_cast<std::uint32_t>(out_.ranges.size());
  op.count = node.tag_count;
  emit(op);
  for (std::uint32_t i = 0; i < node.tag_count; ++i) {
    out_.ranges.push_back({layout_.tags[node.first_tag + i], 0});
  }
  const Known before = known_;
  Known after{std::uint64_t{1} << 31, 0};
  bool first = true;
  std::vector<std::uint32_t> jumps;
  for (std::uint32_t option = 0; option < node.child_count; ++option) {
    const std::uint32_t target = here();
    for (std::uint32_t i = 0; i < node.tag_count; ++i) {
      SwitchRange& range = out_.ranges[op.first + i];
      if (range.range.option == option) range.target = target;
    }
    known_ = before;
    field(node.first_child + option);
    flush();
    if (first) after = known_;
    first = false;
    after.modulus = std::min(after.modulus, known_.modulus);
    while ((after.remainder ^ known_.remainder) & (after.modulus - 1)) after.modulus /= 2;
    after.remainder &= after.modulus - 1;
    jumps.push_back(here());
    emit(Op{OpCode::kJump, 0, 0, 0, 0, 0, 0});
  }
  for (const std::uint32_t jump : jumps) out_.ops[jump].a = here();
  out_.ops[at].b = here();
  known_ = after;
}

// A short array of plain numbers of which at most the last element or the text is wanted.
bool Compiler::array_in_run(std::uint32_t index) {
  const Node& node = layout_.nodes[index];
  const Node& element = layout_.nodes[node.first_child];
  const std::uint64_t bits = element.type->size_bits;
  if (node.ref != kNone || known_.modulus < 8 || known_.remainder % 8 != 0 || bits % 8 != 0) {
    return false;
  }
  if (node.length > kMaxRunBits / bits || (in_run_ && run_bits_ > kMaxRunBits)) return false;
  begin_run();
  const std::uint32_t text = bound_to(index, DestSpace::kText);
  Load load = shape_of(element);
  load.bit = static_cast<std::uint32_t>(run_offset_ + run_bits_);
  if (text != kNone) {
    load.size = 0;
    load.space = DestSpace::kText;
    load.dest = text;
    load.length = static_cast<std::uint32_t>(node.length);
    out_.loads.push_back(load);
  } else if (bits == 8 && node.length > 0 && node.length <= 8) {
    load.size = static_cast<std::uint8_t>(node.length * 8);  // an address: one big-endian number
    load.big = true;
    load.is_signed = false;
    add_loads(index, load);
  } else if (node.length > 0) {
    load.bit += static_cast<std::uint32_t>((node.length - 1) * bits);
    add_loads(index, load);
  }
  run_bits_ += node.length * bits;
  advance(node.length * bits);
  return true;
}

bool Compiler::array_as_sequence(std::uint32_t index) {
  const Node& node = layout_.nodes[index];
  const Node& element = layout_.nodes[node.first_child];
  if (known_.modulus < 8 || known_.remainder % 8 != 0 || element.type->size_bits % 8 != 0) {
    return false;
  }
  flush();
  SequenceInfo info;
  info.length = node.length;
  info.length_register = node.ref;
  info.stride_bits = element.type->size_bits;
  info.text = bound_to(index, DestSpace::kText);
  const std::uint32_t arg = bound_to(index, DestSpace::kArg);
  if (arg != kNone) {
    info.last = shape_of(element);
    info.last.dest = arg;
  }
  Op op;
  op.code = OpCode::kSequence;
  op.a = static_cast<std::uint32_t>(out_.sequences.size());
  out_.sequences.push_back(info);
  emit(op);
  known_ = {8, 0};
  return true;
}

void Compiler::array_as_loop(std::uint32_t index) {
  flush();
  const Node& node = layout_.nodes[index];
  SequenceInfo info;
  info.length = node.length;
  info.length_register = node.ref;
  const std::uint32_t begin = here();
  Op op;
  op.code = OpCode::kLoopBegin;
  op.a = static_cast<std::uint32_t>(out_.sequences.size());
  out_.sequences.push_back(info);
  emit(op);
  forget_position();
  field(node.first_child);
  flush();
  op = Op{};
  op.code = OpCode::kLoopEnd;
  op.a = begin + 1;
  emit(op);
  out_.ops[begin].b = here();
  forget_position();
}

void Compiler::array(std::uint32_t index) {
  const Node& node = layout_.nodes[index];
  const Node& element = layout_.nodes[node.first_child];
  align(node.type->align_bits);
  const FieldType kind = element.type->type;
  const bool plain =
      (kind == FieldType::kInteger || kind == FieldType::kEnum || kind == FieldType::kFloat) &&
      element.slot == kNone && element.type->size_bits % element.type->align_bits == 0;
  if (plain && (array_in_run(index) || array_as_sequence(index))) return;
  array_as_loop(index);
}

void Compiler::field(std::uint32_t index) {
  switch (layout_.nodes[index].type->type) {
    case FieldType::kInteger:
    case FieldType::kEnum:
    case FieldType::kFloat:
      number(index);
      break;
    case FieldType::kString:
      string(index);
      break;
    case FieldType::kStruct:
      structure(index);
      break;
    case FieldType::kVariant:
      variant(index);
      break;
    case FieldType::kArray:
    case FieldType::kSequence:
      array(index);
      break;
  }
}

std::uint32_t Compiler::compile(std::span<const std::uint32_t> roots,
                                std::uint32_t start_alignment) {
  const std::uint32_t begin = here();
  known_ = {start_alignment, 0};
  for (const std::uint32_t root : roots) {
    if (root != kNone) field(root);
  }
  flush();
  emit(Op{});
  return begin;
}

}  // namespace

SpecialRegisters SpecialRegisters::after(std::uint32_t slot_count) {
  SpecialRegisters out;
  out.event_id = slot_count;
  out.time = slot_count + 1;
  out.time_bits = slot_count + 2;
  out.tid = slot_count + 3;
  out.next_tid = slot_count + 4;
  out.count = slot_count + 5;
  return out;
}

std::uint32_t compile_program(const Layout& layout, ByteOrder native, const ProgramSource& source,
                              const SpecialRegisters& special, ProgramSet& out) {
  return Compiler(layout, native, source.bindings, special, out)
      .compile(source.roots, source.start_alignment);
}

}  // namespace vs::reader::ctf
