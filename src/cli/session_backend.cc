#include "cli/session_backend.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <thread>

#include "os/beneath.h"
#include "query/session_source.h"
#include "session/session.h"

namespace vs::cli {
namespace {

/// $XDG_CACHE_HOME/virtscope, else ~/.cache/virtscope; empty when there is no home.
std::string default_cache_folder() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache == '/') return os::join_path(cache, "virtscope");
  const char* const home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return {};
  return os::join_path(home, ".cache/virtscope");
}

/// $TMPDIR, else /tmp.
std::string temporary_folder() {
  const char* const folder = std::getenv("TMPDIR");
  return folder != nullptr && *folder == '/' ? folder : "/tmp";
}

Result<session::SessionOptions> session_options(const OpenOptions& from) {
  session::SessionOptions to;
  to.inputs.paths = from.paths;
  to.inputs.hosts = from.hosts;
  for (const auto& [name, path] : from.guests) to.inputs.guests.push_back({name, path});
  const auto mode = session::parse_sync_mode(from.sync);
  if (!mode) {
    return Error{ErrorCode::kBadUse, "--sync does not know '" + from.sync + "'", "",
                 "auto, none, tsc, beacon, envelope or packets"};
  }
  to.sync = *mode;
  if (from.tsc_hz) to.tsc_hz = static_cast<double>(*from.tsc_hz);
  to.history_path = from.no_cache ? std::string{} : from.history;
  to.cache_folder = from.no_cache ? std::string{} : default_cache_folder();
  to.temporary_folder = temporary_folder();
  to.cache_bytes = std::size_t{from.cache_mib} << 20U;
  to.jobs = from.jobs != 0 ? from.jobs : std::max(1U, std::thread::hardware_concurrency());
  if (from.progress) {
    to.progress = [callback = from.progress](std::string_view phase, std::uint64_t done,
                                             std::uint64_t total) { callback(done, total, phase); };
  }
  to.cancel = from.cancel;
  to.states = from.reading == Reading::kStates;
  if (from.reading == Reading::kSample) to.overview = session::OverviewLimits{};
  return to;
}

class SessionOpened final : public Opened {
 public:
  SessionOpened(std::unique_ptr<os::FileSystem> files, std::unique_ptr<session::Session> session)
      : files_(std::move(files)),
        session_(std::move(session)),
        source_(*session_),
        headers_(query::summarise(*session_)) {}

  const query::ExperimentSummary& summary() const override { return whole_ ? *whole_ : headers_; }
  Status read() override {
    VS_TRY(session_->join());
    if (!whole_) whole_ = query::summarise(*session_);
    return {};
  }
  const query::DataSource& source() const override { return source_; }
  Status analyse() override {
    VS_TRY(session_->analyse());
    source_.attach_history();
    return {};
  }

 private:
  const std::unique_ptr<os::FileSystem> files_;  // nullptr: the real ones
  const std::unique_ptr<session::Session> session_;
  query::SessionSource source_;
  const query::ExperimentSummary headers_;
  std::optional<query::ExperimentSummary> whole_;
};

class SessionBackend final : public Backend {
 public:
  Result<std::unique_ptr<Opened>> open(const OpenOptions& options) override {
    VS_ASSIGN(session::SessionOptions session_settings, session_options(options));
    std::unique_ptr<os::FileSystem> files;
    if (!options.beneath.empty()) {
      VS_ASSIGN(files, os::files_beneath(options.beneath));
    }
    VS_ASSIGN(std::unique_ptr<session::Session> session,
              session::Session::open(files == nullptr ? os::real_files() : *files,
                                     std::move(session_settings)));
    auto opened = std::make_unique<SessionOpened>(std::move(files), std::move(session));
    if (!options.later) VS_TRY(opened->read());
    return std::unique_ptr<Opened>(std::move(opened));
  }
};

}  // namespace

std::unique_ptr<Backend> make_session_backend() { return std::make_unique<SessionBackend>(); }

}  // namespace vs::cli
