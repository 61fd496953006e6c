#pragma once
// Result<T> and Error: how every module reports failure.
//
// No exception leaves a module. A function that can fail returns Result<T> (or Status when there is
// nothing to return); the caller must look at it. An Error says what went wrong, where (file,
// stream, byte or bit, or line:column) and what to do about it. CHECK-like macros are for our own
// bugs only; bytes from outside can never reach one.
//
// Threads: values, no sharing.

#include <cassert>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace vs {

/// Coarse class of a failure. The command line maps it to the exit code (design.md 3).
enum class ErrorCode : std::uint8_t {
  kBadUse,        ///< The user asked wrongly (exit 2).
  kNotFound,      ///< No such file or object.
  kIo,            ///< The operating system refused; `what` carries its words.
  kUnsupported,   ///< Valid, but we do not read it.
  kMalformed,     ///< Bytes that break their own format's rules.
  kTruncated,     ///< Bytes end too early.
  kLimit,         ///< A named limit refuses it.
  kUnanswerable,  ///< The question needs events that are not there (exit 4).
  kCancelled,     ///< The user or a budget stopped it.
  kInternal,      ///< Our own fault (exit 70).
};

/// A failure. Copyable, cheap enough for the slow path only.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string
      what;  ///< One sentence without a final full stop: "packet claims 65536 bytes, 812 remain".
  std::string where;  ///< "k_0: byte 8192 bit 3" or "metadata:12:5"; may be empty.
  std::string hint;   ///< What to do: "copy the file again"; may be empty.

  /// "where: what (hint)", empty parts left out. This is the text that tests compare.
  [[nodiscard]] std::string to_string() const {
    std::string text = where.empty() ? what : where + ": " + what;
    if (!hint.empty()) text += " (" + hint + ")";
    return text;
  }
};

/// Either a T or an Error.
template <typename T>
class [[nodiscard]] Result {
 public:
  // Implicit on purpose: `return value;` and `return error;` read best.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  /// Requires ok().
  [[nodiscard]] T& value() & { return *std::get_if<0>(&state_); }
  [[nodiscard]] const T& value() const& { return *std::get_if<0>(&state_); }
  [[nodiscard]] T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  /// Requires !ok().
  [[nodiscard]] const Error& error() const& { return *std::get_if<1>(&state_); }
  [[nodiscard]] Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

/// Success or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)) {}  // NOLINT: implicit on purpose

  [[nodiscard]] bool ok() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  /// Requires !ok().
  [[nodiscard]] const Error& error() const& { return *error_; }
  [[nodiscard]] Error&& error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace vs

#define VS_CONCAT_INNER(a, b) a##b
#define VS_CONCAT(a, b) VS_CONCAT_INNER(a, b)

/// Returns from the calling function with the error of `expr` (a Status or Result) when it failed.
#define VS_TRY(expr)                                     \
  do {                                                   \
    if (auto vs_status_ = (expr); !vs_status_.ok()) {    \
      return ::vs::Error(std::move(vs_status_).error()); \
    }                                                    \
  } while (false)

/// VS_ASSIGN(auto x, f()): declares x from a Result, or returns its error.
#define VS_ASSIGN(declaration, expr) \
  VS_ASSIGN_IMPL(VS_CONCAT(vs_result_, __LINE__), declaration, expr)
#define VS_ASSIGN_IMPL(result, declaration, expr)                  \
  auto result = (expr);                                            \
  if (!result.ok()) return ::vs::Error(std::move(result).error()); \
  declaration = std::move(result).value()
