#include "analysis/vcpu/exit_reason.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <span>

namespace vs::analysis::vcpu {
namespace {

using model::ExitClass;

struct Entry {
  std::uint64_t number;
  std::string_view name;
  ExitClass exit_class;
};

constexpr ExitClass kIdle = ExitClass::kIdle;
constexpr ExitClass kHost = ExitClass::kHostIrq;
constexpr ExitClass kTimer = ExitClass::kTimer;
constexpr ExitClass kIpi = ExitClass::kIpiSend;
constexpr ExitClass kIo = ExitClass::kIo;
constexpr ExitClass kMemory = ExitClass::kMemory;
constexpr ExitClass kSpin = ExitClass::kSpin;
constexpr ExitClass kCall = ExitClass::kHypercall;
constexpr ExitClass kNested = ExitClass::kNested;
constexpr ExitClass kWindow = ExitClass::kIrqWindow;
constexpr ExitClass kEmulate = ExitClass::kEmulation;

// Sorted by number; a test holds that.
constexpr Entry kVmx[] = {
    {0, "EXCEPTION_NMI", kEmulate},
    {1, "EXTERNAL_INTERRUPT", kHost},
    {2, "TRIPLE_FAULT", kEmulate},
    {3, "INIT_SIGNAL", kEmulate},
    {4, "SIPI_SIGNAL", kEmulate},
    {7, "INTERRUPT_WINDOW", kWindow},
    {8, "NMI_WINDOW", kWindow},
    {9, "TASK_SWITCH", kEmulate},
    {10, "CPUID", kEmulate},
    {12, "HLT", kIdle},
    {13, "INVD", kEmulate},
    {14, "INVLPG", kEmulate},
    {15, "RDPMC", kEmulate},
    {16, "RDTSC", kEmulate},
    {18, "VMCALL", kCall},
    {19, "VMCLEAR", kNested},
    {20, "VMLAUNCH", kNested},
    {21, "VMPTRLD", kNested},
    {22, "VMPTRST", kNested},
    {23, "VMREAD", kNested},
    {24, "VMRESUME", kNested},
    {25, "VMWRITE", kNested},
    {26, "VMOFF", kNested},
    {27, "VMON", kNested},
    {28, "CR_ACCESS", kEmulate},
    {29, "DR_ACCESS", kEmulate},
    {30, "IO_INSTRUCTION", kIo},
    {31, "MSR_READ", kEmulate},
    {32, "MSR_WRITE", kEmulate},
    {33, "INVALID_STATE", kEmulate},
    {34, "MSR_LOAD_FAIL", kEmulate},
    {36, "MWAIT_INSTRUCTION", kIdle},
    {37, "MONITOR_TRAP_FLAG", kEmulate},
    {39, "MONITOR_INSTRUCTION", kEmulate},
    {40, "PAUSE_INSTRUCTION", kSpin},
    {41, "MCE_DURING_VMENTRY", kEmulate},
    {43, "TPR_BELOW_THRESHOLD", kWindow},
    {44, "APIC_ACCESS", kWindow},
    {45, "EOI_INDUCED", kWindow},
    {46, "GDTR_IDTR", kEmulate},
    {47, "LDTR_TR", kEmulate},
    {48, "EPT_VIOLATION", kMemory},
    {49, "EPT_MISCONFIG", kIo},
    {50, "INVEPT", kNested},
    {51, "RDTSCP", kEmulate},
    {52, "PREEMPTION_TIMER", kTimer},
    {53, "INVVPID", kNested},
    {54, "WBINVD", kEmulate},
    {55, "XSETBV", kEmulate},
    {56, "APIC_WRITE", kWindow},
    {57, "RDRAND", kEmulate},
    {58, "INVPCID", kEmulate},
    {59, "VMFUNC", kEmulate},
    {60, "ENCLS", kEmulate},
    {61, "RDSEED", kEmulate},
    {62, "PML_FULL", kMemory},
    {63, "XSAVES", kEmulate},
    {64, "XRSTORS", kEmulate},
    {67, "UMWAIT", kIdle},
    {68, "TPAUSE", kIdle},
    {74, "BUS_LOCK", kEmulate},
    {75, "NOTIFY", kEmulate},
    {77, "TDCALL", kEmulate},
    {84, "MSR_READ_IMM", kEmulate},
    {85, "MSR_WRITE_IMM", kEmulate},
};

constexpr Entry kSvm[] = {
    {0x000, "READ_CR0", kEmulate},
    {0x002, "READ_CR2", kEmulate},
    {0x003, "READ_CR3", kEmulate},
    {0x004, "READ_CR4", kEmulate},
    {0x008, "READ_CR8", kEmulate},
    {0x010, "WRITE_CR0", kEmulate},
    {0x012, "WRITE_CR2", kEmulate},
    {0x013, "WRITE_CR3", kEmulate},
    {0x014, "WRITE_CR4", kEmulate},
    {0x018, "WRITE_CR8", kEmulate},
    {0x020, "READ_DR0", kEmulate},
    {0x021, "READ_DR1", kEmulate},
    {0x022, "READ_DR2", kEmulate},
    {0x023, "READ_DR3", kEmulate},
    {0x024, "READ_DR4", kEmulate},
    {0x025, "READ_DR5", kEmulate},
    {0x026, "READ_DR6", kEmulate},
    {0x027, "READ_DR7", kEmulate},
    {0x030, "WRITE_DR0", kEmulate},
    {0x031, "WRITE_DR1", kEmulate},
    {0x032, "WRITE_DR2", kEmulate},
    {0x033, "WRITE_DR3", kEmulate},
    {0x034, "WRITE_DR4", kEmulate},
    {0x035, "WRITE_DR5", kEmulate},
    {0x036, "WRITE_DR6", kEmulate},
    {0x037, "WRITE_DR7", kEmulate},
    // Exceptions: SVM_EXIT_EXCP_BASE + vector.
    {0x040, "EXCP_DE", kEmulate},
    {0x041, "EXCP_DB", kEmulate},
    {0x043, "EXCP_BP", kEmulate},
    {0x044, "EXCP_OF", kEmulate},
    {0x045, "EXCP_BR", kEmulate},
    {0x046, "EXCP_UD", kEmulate},
    {0x047, "EXCP_NM", kEmulate},
    {0x048, "EXCP_DF", kEmulate},
    {0x04a, "EXCP_TS", kEmulate},
    {0x04b, "EXCP_NP", kEmulate},
    {0x04c, "EXCP_SS", kEmulate},
    {0x04d, "EXCP_GP", kEmulate},
    {0x04e, "EXCP_PF", kEmulate},
    {0x050, "EXCP_MF", kEmulate},
    {0x051, "EXCP_AC", kEmulate},
    {0x052, "EXCP_MC", kEmulate},
    {0x053, "EXCP_XM", kEmulate},
    {0x060, "INTR", kHost},
    {0x061, "NMI", kHost},
    {0x062, "SMI", kHost},
    {0x063, "INIT", kEmulate},
    {0x064, "VINTR", kWindow},
    {0x065, "CR0_SEL_WRITE", kEmulate},
    {0x066, "IDTR_READ", kEmulate},
    {0x067, "GDTR_READ", kEmulate},
    {0x068, "LDTR_READ", kEmulate},
    {0x069, "TR_READ", kEmulate},
    {0x06a, "IDTR_WRITE", kEmulate},
    {0x06b, "GDTR_WRITE", kEmulate},
    {0x06c, "LDTR_WRITE", kEmulate},
    {0x06d, "TR_WRITE", kEmulate},
    {0x06e, "RDTSC", kEmulate},
    {0x06f, "RDPMC", kEmulate},
    {0x070, "PUSHF", kEmulate},
    {0x071, "POPF", kEmulate},
    {0x072, "CPUID", kEmulate},
    {0x073, "RSM", kEmulate},
    {0x074, "IRET", kEmulate},
    {0x075, "SWINT", kEmulate},
    {0x076, "INVD", kEmulate},
    {0x077, "PAUSE", kSpin},
    {0x078, "HLT", kIdle},
    {0x079, "INVLPG", kEmulate},
    {0x07a, "INVLPGA", kEmulate},
    {0x07b, "IOIO", kIo},
    {0x07c, "MSR", kEmulate},
    {0x07d, "TASK_SWITCH", kEmulate},
    {0x07e, "FERR_FREEZE", kEmulate},
    {0x07f, "SHUTDOWN", kEmulate},
    {0x080, "VMRUN", kNested},
    {0x081, "VMMCALL", kCall},
    {0x082, "VMLOAD", kNested},
    {0x083, "VMSAVE", kNested},
    {0x084, "STGI", kNested},
    {0x085, "CLGI", kNested},
    {0x086, "SKINIT", kEmulate},
    {0x087, "RDTSCP", kEmulate},
    {0x088, "ICEBP", kEmulate},
    {0x089, "WBINVD", kEmulate},
    {0x08a, "MONITOR", kEmulate},
    {0x08b, "MWAIT", kIdle},
    {0x08c, "MWAIT_COND", kIdle},
    {0x08d, "XSETBV", kEmulate},
    {0x08e, "RDPRU", kEmulate},
    {0x08f, "EFER_WRITE_TRAP", kEmulate},
    {0x090, "CR0_WRITE_TRAP", kEmulate},
    {0x091, "CR1_WRITE_TRAP", kEmulate},
    {0x092, "CR2_WRITE_TRAP", kEmulate},
    {0x093, "CR3_WRITE_TRAP", kEmulate},
    {0x094, "CR4_WRITE_TRAP", kEmulate},
    {0x095, "CR5_WRITE_TRAP", kEmulate},
    {0x096, "CR6_WRITE_TRAP", kEmulate},
    {0x097, "CR7_WRITE_TRAP", kEmulate},
    {0x098, "CR8_WRITE_TRAP", kEmulate},
    {0x0a2, "INVPCID", kEmulate},
    {0x0a5, "BUS_LOCK", kEmulate},
    {0x0a6, "IDLE_HLT", kIdle},
    {0x400, "NPF", kMemory},
    {0x401, "AVIC_INCOMPLETE_IPI", kIpi},
    {0x402, "AVIC_UNACCELERATED_ACCESS", kWindow},
    {0x403, "VMGEXIT", kEmulate},
    {0xffffffff, "ERR", kEmulate},  // invalid guest state; -1 as 32 or as 64 bits
    {~std::uint64_t{0}, "ERR", kEmulate},
};

constexpr Entry kArmEc[] = {
    {0x00, "UNKNOWN", kEmulate},     {0x01, "WFx", kIdle},
    {0x03, "CP15_32", kEmulate},     {0x04, "CP15_64", kEmulate},
    {0x05, "CP14_MR", kEmulate},     {0x06, "CP14_LS", kEmulate},
    {0x07, "FP_ASIMD", kEmulate},    {0x08, "CP10_ID", kEmulate},
    {0x09, "PAC", kEmulate},         {0x0c, "CP14_64", kEmulate},
    {0x0d, "BTI", kEmulate},         {0x0e, "ILL", kEmulate},
    {0x11, "SVC32", kEmulate},       {0x12, "HVC32", kCall},
    {0x13, "SMC32", kCall},          {0x15, "SVC64", kEmulate},
    {0x16, "HVC64", kCall},          {0x17, "SMC64", kCall},
    {0x18, "SYS64", kEmulate},       {0x19, "SVE", kEmulate},
    {0x1a, "ERET", kNested},         {0x1c, "FPAC", kEmulate},
    {0x1d, "SME", kEmulate},         {0x1f, "IMP_DEF", kEmulate},
    {0x20, "IABT_LOW", kMemory},     {0x21, "IABT_CUR", kMemory},
    {0x22, "PC_ALIGN", kEmulate},    {0x24, "DABT_LOW", kMemory},
    {0x25, "DABT_CUR", kMemory},     {0x26, "SP_ALIGN", kEmulate},
    {0x27, "MOPS", kEmulate},        {0x28, "FP_EXC32", kEmulate},
    {0x2c, "FP_EXC64", kEmulate},    {0x2f, "SERROR", kEmulate},
    {0x30, "BREAKPT_LOW", kEmulate}, {0x31, "BREAKPT_CUR", kEmulate},
    {0x32, "SOFTSTP_LOW", kEmulate}, {0x33, "SOFTSTP_CUR", kEmulate},
    {0x34, "WATCHPT_LOW", kEmulate}, {0x35, "WATCHPT_CUR", kEmulate},
    {0x38, "BKPT32", kEmulate},      {0x3a, "VECTOR32", kEmulate},
    {0x3c, "BRK64", kEmulate},
};

constexpr Entry kArmRet[] = {
    {0, "IRQ", kHost}, {1, "EL1_SERROR", kEmulate}, {2, "TRAP", kEmulate}, {3, "IL", kEmulate}};

static_assert(std::ranges::is_sorted(kVmx, {}, &Entry::number));
static_assert(std::ranges::is_sorted(kSvm, {}, &Entry::number));
static_assert(std::ranges::is_sorted(kArmEc, {}, &Entry::number));

/// A table, and where the entries of its small numbers are.
struct Table {
  static constexpr std::size_t kSmall = 256;
  static constexpr std::uint8_t kNone = 255;
  std::span<const Entry> entries;
  std::array<std::uint8_t, kSmall> places{};

  constexpr explicit Table(std::span<const Entry> all) : entries(all) {
    places.fill(kNone);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].number < kSmall) places[all[i].number] = static_cast<std::uint8_t>(i);
    }
  }
};
static_assert(std::size(kSvm) < Table::kNone);  // the longest
constexpr Table kVmxTable(kVmx);
constexpr Table kSvmTable(kSvm);
constexpr Table kArmEcTable(kArmEc);
constexpr Table kArmRetTable(kArmRet);
constexpr Table kNoTable({});

const Table& table_of(const ExitCode& code) {
  switch (code.isa) {
    case Isa::kVmx:
      return kVmxTable;
    case Isa::kSvm:
      return kSvmTable;
    case Isa::kArm:
      return code.reason == kArmTrap ? kArmEcTable : kArmRetTable;
    case Isa::kUnknown:
      break;
  }
  return kNoTable;
}

std::uint64_t key_of(const ExitCode& code) {
  return code.isa == Isa::kArm && code.reason == kArmTrap ? code.esr_ec : code.reason;
}

const Entry* find(const ExitCode& code) {
  const Table& table = table_of(code);
  const std::uint64_t key = key_of(code);
  if (key < Table::kSmall) {
    const std::uint8_t place = table.places[key];
    return place == Table::kNone ? nullptr : &table.entries[place];
  }
  const auto at = std::ranges::lower_bound(table.entries, key, {}, &Entry::number);
  return at != table.entries.end() && at->number == key ? &*at : nullptr;
}

constexpr std::uint64_t kIsaVmx = 1;
constexpr std::uint64_t kIsaSvm = 2;
constexpr std::uint64_t kVmxReasonMask = 0xffff;
constexpr std::uint64_t kVmxFailedEntry = 0x80000000U;

}  // namespace

ExitCode exit_code_of(const model::Event& event) {
  ExitCode code;
  code.reason = event.u(model::arg::kExitReason);
  if (event.has(model::arg::kExitEsrEc)) {
    code.isa = Isa::kArm;
    code.esr_ec = event.u(model::arg::kExitEsrEc);
    return code;
  }
  if (!event.has(model::arg::kExitIsa)) return code;
  if (event.u(model::arg::kExitIsa) == kIsaVmx) {
    code.isa = Isa::kVmx;
    code.failed_entry = (code.reason & kVmxFailedEntry) != 0;
    code.reason &= kVmxReasonMask;
  } else if (event.u(model::arg::kExitIsa) == kIsaSvm) {
    code.isa = Isa::kSvm;
  }
  return code;
}

std::string_view exit_name(const ExitCode& code) {
  const Entry* entry = find(code);
  return entry != nullptr ? entry->name : std::string_view();
}

model::ExitClass exit_class(const ExitCode& code) {
  if (code.isa == Isa::kUnknown) return ExitClass::kUnknown;
  const Entry* entry = find(code);
  return entry != nullptr ? entry->exit_class : ExitClass::kEmulation;
}

std::string_view exit_text(const ExitCode& code, char (&buffer)[kExitTextBytes]) {
  const std::string_view name = exit_name(code);
  if (!name.empty()) return name;
  const bool hex = code.isa != Isa::kUnknown;
  buffer[0] = '0';
  buffer[1] = 'x';
  const std::size_t prefix = hex ? 2 : 0;
  const auto result = std::to_chars(&buffer[prefix], std::end(buffer), key_of(code), hex ? 16 : 10);
  return {std::begin(buffer), result.ptr};
}

model::StringId ExitTexts::of(const ExitCode& code) {
  const std::uint64_t number =
      code.isa == Isa::kArm && code.reason == kArmTrap ? 0x100 + code.esr_ec : code.reason;
  const std::uint64_t key = (number << 3) | static_cast<std::uint64_t>(code.isa);
  if (key == last_key_) return last_;
  last_key_ = key;
  const auto at = known_.find(key);
  if (at != known_.end()) return last_ = at->second;
  char buffer[kExitTextBytes];
  last_ = sink_.intern(exit_text(code, buffer));
  known_.emplace(key, last_);
  return last_;
}

}  // namespace vs::analysis::vcpu
