#include "reader/ctf/program.h"

#include <algorithm>

#include "base/limits.h"
#include "reader/ctf/plain_decoder.h"

namespace vs::reader::ctf {
namespace {

std::uint64_t sign_extend(std::uint64_t value, std::uint32_t size) {
  const std::uint32_t shift = 64 - size;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value << shift) >> shift);
}

}  // namespace

inline void Machine::store(const Load& load, std::uint64_t value, model::Event& event) {
  if (load.is_signed) value = sign_extend(value, load.size);
  switch (load.space) {
    case DestSpace::kArg:
      event.args[load.dest] = value;
      break;
    case DestSpace::kRegister:
      registers_[load.dest] = value;
      break;
    case DestSpace::kClock:
      registers_[special_.time] = value;
      registers_[special_.time_bits] = load.size;
      break;
    case DestSpace::kText:
      break;
  }
}

inline void Machine::apply(const Load& load, std::uint64_t base, model::Event& event) {
  if (load.size != 0) {
    store(load, load_bits(memory_, base + load.bit, load.size, load.big), event);
    return;
  }
  const auto at = static_cast<std::size_t>((base + load.bit) / 8);
  event.texts[load.dest] = as_text(memory_.subspan(at, text_size(memory_, at, load.length)));
}

inline bool Machine::do_run(const Op& op, model::Event& event) {
  if (end_bit_ - position_ < op.a) return false;
  const std::uint64_t base = (position_ - base_bit_) & ~std::uint64_t{7};
  const Load* const loads = programs_.loads.data();
  for (std::uint32_t i = 0; i < op.count; ++i) apply(loads[op.first + i], base, event);
  event.present = static_cast<std::uint16_t>(event.present | op.present);
  position_ += op.a;
  if (op.order_after != 0) {
    order_known_ = true;
    last_order_ = op.order_after == 2 ? ByteOrder::kBig : ByteOrder::kLittle;
  }
  return true;
}

inline bool Machine::do_align(std::uint32_t bits) {
  const std::uint64_t aligned = (position_ + bits - 1) & ~std::uint64_t{bits - 1};
  if (aligned > end_bit_) return false;
  position_ = aligned;
  return true;
}

bool Machine::do_bits(const Op& op, model::Event& event) {
  const Load& shape = programs_.loads[op.first];
  if (end_bit_ - position_ < shape.size) return false;
  const ByteOrder order = shape.big ? ByteOrder::kBig : ByteOrder::kLittle;
  if (position_ % 8 != 0 && order_known_ && order != last_order_) return false;
  order_known_ = true;
  last_order_ = order;
  const std::uint64_t value = load_bits(memory_, position_ - base_bit_, shape.size, shape.big);
  for (std::uint32_t i = 1; i < op.count; ++i) store(programs_.loads[op.first + i], value, event);
  event.present = static_cast<std::uint16_t>(event.present | op.present);
  position_ += shape.size;
  return true;
}

bool Machine::do_string(const Op& op, model::Event& event) {
  const auto begin = static_cast<std::size_t>((position_ - base_bit_) / 8);
  const auto left = static_cast<std::size_t>((end_bit_ - position_) / 8);
  const std::size_t limit = std::min<std::size_t>(left, limits::kStringBytes + 1);
  const std::size_t size = text_size(memory_, begin, limit);
  if (size == limit) return false;
  position_ += (size + 1) * 8;
  if (op.a != kNone) event.texts[op.a] = as_text(memory_.subspan(begin, size));
  return true;
}

bool Machine::do_sequence(const Op& op, model::Event& event) {
  const SequenceInfo& info = programs_.sequences[op.a];
  const std::uint64_t length = length_of(info);
  if (length > (end_bit_ - position_) / info.stride_bits) return false;
  const std::uint64_t bits = length * info.stride_bits;
  const std::uint64_t begin = position_ - base_bit_;
  if (info.text != kNone) {
    Load load;
    load.length = static_cast<std::uint32_t>(std::min<std::uint64_t>(length, kNone));
    load.dest = info.text;
    apply(load, begin, event);
  }
  if (info.last.size != 0 && length != 0) {
    apply(info.last, begin + bits - info.stride_bits, event);
    event.present = static_cast<std::uint16_t>(event.present | (1U << info.last.dest));
  }
  position_ += bits;
  return true;
}

bool Machine::do_switch(const Op& op, std::uint32_t& pc) {
  const std::uint64_t tag = registers_[op.a];
  for (std::uint32_t i = 0; i < op.count; ++i) {
    const SwitchRange& range = programs_.ranges[op.first + i];
    if (!range.range.has(tag)) continue;
    pc = range.target;
    return true;
  }
  return false;
}

void Machine::do_loop_begin(const Op& op, std::uint32_t& pc) {
  const std::uint64_t length = length_of(programs_.sequences[op.a]);
  if (length == 0) {
    pc = op.b;
    return;
  }
  loops_[loop_depth_++] = Loop{length, position_};
}

bool Machine::do_loop_end(const Op& op, std::uint32_t& pc) {
  Loop& loop = loops_[loop_depth_ - 1];
  if (position_ == loop.begin && ++idle_ > kIdleElements) return false;
  loop.begin = position_;
  if (--loop.left == 0) {
    --loop_depth_;
  } else {
    pc = op.a;
  }
  return true;
}

bool Machine::run(std::uint32_t program, model::Event& event) {
  loop_depth_ = 0;
  std::uint32_t pc = program;
  const Op* const ops = programs_.ops.data();
  while (true) {
    const Op& op = ops[pc++];
    bool fine = true;
    switch (op.code) {
      case OpCode::kEnd:
        return true;
      case OpCode::kRun:
        fine = do_run(op, event);
        break;
      case OpCode::kAlign:
        fine = do_align(op.a);
        break;
      case OpCode::kBits:
        fine = do_bits(op, event);
        break;
      case OpCode::kString:
        fine = do_string(op, event);
        break;
      case OpCode::kSequence:
        fine = do_sequence(op, event);
        break;
      case OpCode::kLoopBegin:
        do_loop_begin(op, pc);
        break;
      case OpCode::kLoopEnd:
        fine = do_loop_end(op, pc);
        break;
      case OpCode::kSwitch:
        fine = do_switch(op, pc);
        break;
      case OpCode::kJump:
        pc = op.a;
        break;
      case OpCode::kFail:
        fine = false;
        break;
    }
    if (!fine) return false;
  }
}

}  // namespace vs::reader::ctf
