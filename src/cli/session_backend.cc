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
  if (from.reading >= Reading::kSample) to.overview = session::OverviewLimits{};
  if (from.reading == Reading::kGlance) to.overview->only_sample = true;
  return to;
}

/// Unpacked states that are kept of a part, which is soon followed by another.
constexpr std::size_t kPartCacheBytes = 16ULL << 20;

std::uint64_t bytes_of(const session::Session& session) {
  std::uint64_t bytes = 0;
  for (const session::OpenTrace& open : session.traces()) {
    for (const reader::StreamInfo& stream : open.trace->streams()) bytes += stream.bytes;
  }
  return bytes;
}

class SessionOpened final : public Opened {
 public:
  static Result<std::unique_ptr<Opened>> open(const OpenOptions& options) {
    VS_ASSIGN(session::SessionOptions settings, session_options(options));
    std::unique_ptr<os::FileSystem> files;
    if (!options.beneath.empty()) {
      VS_ASSIGN(files, os::files_beneath(options.beneath));
    }
    auto board = std::make_unique<session::PartialBoard>();
    if (options.later) settings.partial = board.get();
    VS_ASSIGN(
        std::unique_ptr<session::Session> session,
        session::Session::open(files == nullptr ? os::real_files() : *files, std::move(settings)));
    auto opened = std::unique_ptr<SessionOpened>(
        new SessionOpened(options, std::move(files), std::move(board), std::move(session)));
    if (!options.later) VS_TRY(opened->read());
    return std::unique_ptr<Opened>(std::move(opened));
  }

  const query::ExperimentSummary& summary() const override { return whole_ ? *whole_ : headers_; }
  Status read() override {
    VS_TRY(session_->join());
    if (!whole_) whole_ = query::summarise(*session_);
    if (!options_.later) return {};
    for (const model::TableDef& def : model::table_defs()) {  // those of the session change
      tables_.push_back(session_->small_table(def.id));
    }
    return {};
  }
  const query::DataSource& source() const override { return source_; }
  Status analyse() override {
    VS_TRY(session_->analyse());
    source_.attach_history();
    return {};
  }
  std::unique_ptr<Opened> glance() override {
    if (bytes_of(*session_) <= session::OverviewLimits{}.whole_bytes) return nullptr;
    OpenOptions options = options_;
    options.reading = Reading::kGlance;
    options.later = false;
    options.progress = nullptr;
    auto opened = open(options);
    return opened.ok() ? std::move(opened).value() : nullptr;
  }
  Result<std::optional<PartOpened>> part() override {
    auto found = board_->take();
    board_->request();
    if (!found) return std::optional<PartOpened>();
    VS_ASSIGN(auto part, history::Reader::open(std::move(found->states), "the growing history",
                                               {kPartCacheBytes, nullptr}));
    std::vector<model::SmallTable> tables = tables_;
    for (model::SmallTable& table : found->tables) {
      tables[static_cast<std::size_t>(table.id)] = std::move(table);
    }
    const HostTime until = session::analysed_until(*part, session_->experiment());
    return std::optional(PartOpened{
        std::make_shared<query::SessionSource>(*session_, std::move(part), std::move(tables)),
        until, std::move(found->open)});
  }

 private:
  SessionOpened(OpenOptions options, std::unique_ptr<os::FileSystem> files,
                std::unique_ptr<session::PartialBoard> board,
                std::unique_ptr<session::Session> session)
      : options_(std::move(options)),
        files_(std::move(files)),
        board_(std::move(board)),
        session_(std::move(session)),
        source_(*session_),
        headers_(query::summarise(*session_)) {}

  const OpenOptions options_;
  const std::unique_ptr<os::FileSystem> files_;  // nullptr: the real ones
  const std::unique_ptr<session::PartialBoard> board_;
  const std::unique_ptr<session::Session> session_;
  query::SessionSource source_;
  const query::ExperimentSummary headers_;
  std::optional<query::ExperimentSummary> whole_;
  std::vector<model::SmallTable> tables_;  // when it had been read, by id
};

class SessionBackend final : public Backend {
 public:
  Result<std::unique_ptr<Opened>> open(const OpenOptions& options) override {
    return SessionOpened::open(options);
  }
};

}  // namespace

std::unique_ptr<Backend> make_session_backend() { return std::make_unique<SessionBackend>(); }

}  // namespace vs::cli
