#pragma once
// Every limit of the server, in one place (docs/serve.md lists those that a client meets).

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace vs::serve::limits {

inline constexpr std::size_t kTargetBytes = 8U << 10;      ///< path and query of a request
inline constexpr std::uint32_t kHeaderBytes = 16U << 10;   ///< request line and all headers
inline constexpr std::size_t kHeaders = 64;                ///< number of headers
inline constexpr std::uint64_t kBodyBytes = 1ULL << 20;    ///< of a request
inline constexpr std::size_t kJsonDepth = 64;              ///< nesting of a request's JSON
inline constexpr std::size_t kConnections = 128;           ///< open at once
inline constexpr std::size_t kInFlight = 64;               ///< requests being answered at once
inline constexpr std::size_t kAnswerBytes = 32ULL << 20;   ///< of an answer's body
inline constexpr std::chrono::seconds kHeaderTime{10};     ///< until all headers are there
inline constexpr std::chrono::seconds kBodyTime{30};       ///< until the body is there
inline constexpr std::chrono::seconds kWriteTime{30};      ///< until the answer is taken
inline constexpr std::size_t kQueries = 3;                 ///< that read the traces at once
inline constexpr std::chrono::seconds kQueryTime{30};      ///< of an SQL statement or a `why`
inline constexpr std::chrono::seconds kSeriesTime{5};      ///< of reading rows for series
inline constexpr std::chrono::milliseconds kPartAge{600};  ///< then a newer part is looked for
inline constexpr std::chrono::milliseconds kFirstPart{50};  ///< the same, while there is none
inline constexpr std::chrono::seconds kPartSeriesTime{1};  ///< kSeriesTime of a part
inline constexpr std::uint32_t kPixels = 16384;            ///< of a picture, points of a series
inline constexpr std::size_t kRows = 4096;                 ///< rows asked for at once
inline constexpr std::size_t kSqlRows = 10000;             ///< of an answer
inline constexpr std::size_t kSqlBytes = 64U << 10;        ///< of a statement
inline constexpr std::size_t kEvents = 1000;               ///< of one page of events
inline constexpr std::size_t kArrows = 10000;              ///< of an answer
inline constexpr std::size_t kArrowRows = 200000;          ///< intervals looked at for arrows
inline constexpr std::size_t kKnownTraces = 256;           ///< that clients opened
inline constexpr std::size_t kExperiments = 8;             ///< that clients opened
inline constexpr std::size_t kBookmarks = 1000;            ///< per server
inline constexpr std::size_t kBookmarkBytes = 4096;        ///< of a text in one

}  // namespace vs::serve::limits
