#pragma once
// Every limit that refuses input, in one place. A refusal names the constant's description.
// Each has a test just below and just above (in the test of the module that applies it).

#include <cstddef>
#include <cstdint>

namespace vs::limits {

inline constexpr std::uint64_t kMetadataBytes = 64ULL << 20;   ///< CTF metadata text
inline constexpr std::size_t kMetadataTypes = 1U << 20;        ///< field classes in one CTF trace
inline constexpr std::size_t kMetadataDepth = 64;              ///< nesting of CTF field classes
inline constexpr std::size_t kEventTypes = 65535;              ///< event types in one trace
inline constexpr std::uint64_t kPacketBytes = 8ULL << 30;      ///< one CTF packet
inline constexpr std::uint64_t kFormatFileBytes = 1ULL << 20;  ///< one ftrace event format file
inline constexpr std::uint64_t kSectionBytes = 256ULL
                                               << 20;      ///< one trace.dat text or option section
inline constexpr std::uint64_t kChunkBytes = 64ULL << 20;  ///< one compressed chunk, unpacked
inline constexpr std::uint64_t kCompressionRatio = 4096;   ///< unpacked : packed bytes of one chunk
inline constexpr std::uint32_t kCpus = 65536;              ///< CPUs of one machine
inline constexpr std::uint32_t kSubBufferBytes = 1U << 26;  ///< one ftrace sub-buffer ("page")
inline constexpr std::size_t kOptions = 65536;              ///< trace.dat options
inline constexpr std::size_t kStringBytes = 1U << 20;       ///< one string field
inline constexpr std::size_t kTraces = 4096;                ///< traces in one experiment
inline constexpr std::size_t kLossWindows = 1U << 16;       ///< loss windows kept of one trace
inline constexpr std::size_t kIssueRowsPerCode = 100;       ///< issue rows kept per (code, trace)

}  // namespace vs::limits
