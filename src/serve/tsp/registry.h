#pragma once
// Registry: the traces and experiments that clients see. One experiment is the service's, which the
// command line opened; others are opened on request, where there is an opener. Closing hides the
// first and ends the others.
//
// What is known of a trace grows while its experiment is read; ids stay.
//
// Threads: every method from several at once. Opening a trace takes as long as a look at it; the
// lists stay usable meanwhile.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "serve/tsp/context.h"

namespace vs::serve::tsp {

/// A trace as clients see it; one that was opened on request may be a folder of several.
struct KnownTrace {
  std::string uuid;
  std::string name;
  std::string path;
  std::uint64_t events = 0;
  HostTime begin;
  HostTime end;
  std::string format;
  std::string tracer;
  std::string machine;
  bool ours = false;  ///< of the command line
};

struct Experiment {
  std::string uuid;
  std::string name;
  std::vector<KnownTrace> traces;        ///< as they were when it was made
  std::unique_ptr<OpenedTraces> opened;  ///< nullptr: the command line's
  std::unique_ptr<Context> context;      ///< goes before what it borrows

  /// As they are known now.
  [[nodiscard]] std::vector<KnownTrace> traces_now() const;
};

class Registry {
 public:
  Registry(Service& service, TspOptions options);

  [[nodiscard]] const TspOptions& options() const { return options_; }
  /// nullptr where there is none, or it was closed.
  [[nodiscard]] std::shared_ptr<Experiment> experiment(std::string_view uuid) const;
  [[nodiscard]] std::vector<std::shared_ptr<Experiment>> experiments() const;
  /// As they are known now.
  [[nodiscard]] std::vector<KnownTrace> traces() const;
  [[nodiscard]] std::optional<KnownTrace> trace(std::string_view uuid) const;
  [[nodiscard]] bool in_use(std::string_view uuid) const;

  /// `name` empty: that of the path. kConflict: in Clash.
  struct Clash {
    KnownTrace trace;
  };
  [[nodiscard]] Result<std::variant<KnownTrace, Clash>> open_trace(const std::string& path,
                                                                   const std::string& name);
  /// nullptr when a trace was not opened before.
  [[nodiscard]] Result<std::shared_ptr<Experiment>> open_experiment(
      const std::string& name, const std::vector<std::string>& uuids);
  void close_trace(std::string_view uuid);
  void close_experiment(std::string_view uuid);

 private:
  /// Of the command line, by path; nothing when it has none such.
  [[nodiscard]] std::optional<KnownTrace> ours(std::string_view path) const;
  [[nodiscard]] KnownTrace now(const KnownTrace& trace) const;

  const TspOptions options_;
  std::shared_ptr<Experiment> first_;  // of the command line
  std::mutex opening_;                 // one after the other
  mutable std::mutex mutex_;           // guards all below
  std::vector<KnownTrace> traces_;
  std::vector<std::shared_ptr<Experiment>> experiments_;
};

}  // namespace vs::serve::tsp
