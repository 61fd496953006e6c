// virtscope serve

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>

#include <fmt/format.h>

#include "base/escape.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "os/beneath.h"
#include "os/browser.h"
#include "os/file.h"
#include "os/random.h"
#include "serve/http_server.h"
#include "serve/page_api.h"
#include "serve/page_handler.h"
#include "serve/service.h"
#include "serve/tsp/tsp.h"

namespace vs::cli {
namespace {

constexpr std::size_t kTokenBytes = 16;

Status set_port(Arguments& arguments, const std::string& value) {
  const auto port = parse_int<std::uint16_t>(value);
  if (!port) {
    return Error{ErrorCode::kBadUse,
                 fmt::format("--port {} is no number from 0 to 65535", terminal_text(value)), "",
                 "for example --port 8080; 0 takes a free one"};
  }
  arguments.port = *port;
  return {};
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '/';
}

Status set_prefix(Arguments& arguments, const std::string& value) {
  std::string prefix = value;
  while (!prefix.empty() && prefix.back() == '/') prefix.pop_back();
  const bool good = prefix.empty() || (prefix.front() == '/' && prefix.find("//") == prefix.npos &&
                                       std::all_of(prefix.begin(), prefix.end(), is_plain));
  if (!good) {
    return Error{ErrorCode::kBadUse,
                 fmt::format("--prefix {} is no plain path", terminal_text(value)), "",
                 "letters, digits, - and _ between slashes: /traces/one"};
  }
  arguments.prefix = prefix;
  return {};
}

Status set_root(Arguments& arguments, const std::string& value) {
  arguments.root = value;
  return {};
}

Status set_open(Arguments& arguments, const std::string&) {
  arguments.open_page = true;
  return {};
}
Status set_tsp_open(Arguments& arguments, const std::string&) {
  arguments.tsp_open = true;
  return {};
}

constexpr std::array<OptionSpec, 5> kOptions = {{
    {"--port", "N", "listen on 127.0.0.1:N; without it on a free port", set_port, false},
    {"--open", "", "show the page in the browser", set_open, false},
    {"--prefix", "/PATH", "serve below this path, for a proxy in front", set_prefix, false},
    {"--root", "FOLDER",
     "let clients of the trace server protocol open traces below\nFOLDER, and nowhere else",
     set_root, false},
    {"--tsp-open", "",
     "let any local program and web page use the trace server\nprotocol without a token (Theia, "
     "VS Code need it)",
     set_tsp_open, false},
}};

std::string command_text(const Context& context) {
  std::string text = "virtscope serve";
  for (const std::string& path : context.opened.summary().paths) text += " " + path;
  return text;
}

/// Service::Sources::read over what was opened.
std::function<Result<const query::ExperimentSummary*>()> reader_of(Opened& opened) {
  return [&opened]() -> Result<const query::ExperimentSummary*> {
    VS_TRY(opened.read());
    return &opened.summary();
  };
}

/// Service::Sources::glance over the same. Keeps what it opened in `kept`.
std::function<std::optional<serve::Service::Glance>()> glance_of(Opened& opened,
                                                                 std::unique_ptr<Opened>& kept) {
  return [&opened, &kept]() -> std::optional<serve::Service::Glance> {
    kept = opened.glance();
    if (kept == nullptr) return std::nullopt;
    const query::DataSource& source = kept->source();
    return serve::Service::Glance{
        &kept->summary(),
        {source.small(model::TableId::kLoss), source.small(model::TableId::kClockSync)}};
  };
}

/// Service::Sources::part.
std::function<Result<std::optional<serve::Service::Part>>()> part_of(Opened& opened) {
  return [&opened]() -> Result<std::optional<serve::Service::Part>> {
    VS_ASSIGN(auto part, opened.part());
    if (!part) return std::optional<serve::Service::Part>();
    return std::optional(
        serve::Service::Part{std::move(part->source), part->until, std::move(part->open)});
  };
}

/// Traces that a client opened, and the session that reads them.
class RootOpened final : public serve::OpenedTraces {
 public:
  Status open(Backend& backend, OpenOptions options) {
    options.cancel = &stopped_;
    VS_ASSIGN(opened_, backend.open(options));
    service_.emplace(serve::Service::Sources{
        opened_->summary(), opened_->source(), [this] { return opened_->analyse(); },
        [this] { stopped_ = true; }, "virtscope serve", reader_of(*opened_),
        glance_of(*opened_, glance_), part_of(*opened_)});
    return {};
  }
  serve::Service& service() override { return *service_; }

 private:
  std::atomic<bool> stopped_{false};
  std::unique_ptr<Opened> opened_;
  std::unique_ptr<Opened> glance_;
  std::optional<serve::Service> service_;  // ends before what it shows
};

/// Opens what lies below the folder of --root.
class RootOpener final : public serve::TraceOpener {
 public:
  /// `folder` as typed, `real` without links: clients may use either.
  RootOpener(Backend& backend, OpenOptions options, std::string folder, std::string real)
      : backend_(backend),
        options_(std::move(options)),
        folder_(std::move(folder)),
        real_(std::move(real)) {
    while (folder_.size() > 1 && folder_.back() == '/') folder_.pop_back();
    options_.hosts.clear();
    options_.guests.clear();
    options_.history.clear();
    options_.progress = nullptr;
    options_.beneath = real_;
  }

  Result<std::unique_ptr<serve::OpenedTraces>> open(const std::vector<std::string>& paths,
                                                    Purpose purpose) override {
    OpenOptions options = options_;
    options.later = purpose == Purpose::kAnalyse;
    options.reading = options.later ? Reading::kStates : Reading::kSample;
    options.paths.clear();
    for (const std::string& path : paths) options.paths.push_back(placed(path));
    auto out = std::make_unique<RootOpened>();
    VS_TRY(out->open(backend_, std::move(options)));
    return std::unique_ptr<serve::OpenedTraces>(std::move(out));
  }

 private:
  [[nodiscard]] std::string placed(const std::string& path) const {
    if (path == folder_) return real_;
    return path.starts_with(folder_ + "/") ? os::join_path(real_, path.substr(folder_.size() + 1))
                                           : path;
  }

  Backend& backend_;
  OpenOptions options_;
  std::string folder_;
  const std::string real_;
};

/// nullptr without --root.
Result<std::unique_ptr<RootOpener>> make_opener(const Context& context) {
  const std::string& folder = context.arguments.root;
  if (folder.empty()) return std::unique_ptr<RootOpener>();
  VS_ASSIGN(std::string real, os::real_folder(folder));
  VS_ASSIGN(const auto probe, os::files_beneath(real));  // fails now rather than at the first trace
  return std::make_unique<RootOpener>(context.backend, context.arguments.open, folder,
                                      std::move(real));
}

class ServeCommand final : public Command {
 public:
  [[nodiscard]] std::string_view name() const override { return "serve"; }
  [[nodiscard]] std::string_view summary() const override {
    return "the page in a browser, and a trace server for Theia and VS Code";
  }
  [[nodiscard]] std::string_view usage() const override { return "serve [OPTION...] TRACE..."; }
  [[nodiscard]] std::string_view description() const override {
    return "Prints a link and serves the page there until it is interrupted: the report as\n"
           "cards, each leading to its evidence on the timeline; pCPUs, VMs, threads; SQL.\n"
           "The link holds a token; nobody without it gets an answer. The server listens on\n"
           "the loopback only and opens nothing but the traces named here, or with --root\n"
           "those below one folder.\n"
           "\n"
           "The same server speaks the Trace Server Protocol 0.6.0 below /tsp/api.\n"
           "\n"
           "  virtscope serve host.dat vm1.dat vm2.dat --open\n";
  }
  [[nodiscard]] std::span<const OptionSpec> options() const override { return kOptions; }
  [[nodiscard]] bool reads_later() const override { return true; }
  [[nodiscard]] Result<ExitCode> run(Context& context) const override;
};

void say_link(const Context& context, const serve::Guard& guard) {
  context.streams.out << guard.link() << '\n' << std::flush;
  if (context.arguments.quiet) return;
  context.streams.err << "virtscope: serving until interrupted (Ctrl+C)\n";
  if (context.arguments.tsp_open) {
    context.streams.err << fmt::format(
        "virtscope: http://127.0.0.1:{}{}/tsp/api answers every local program and web page, "
        "because of --tsp-open\n",
        guard.options().port, guard.options().prefix);
  }
}

Result<ExitCode> ServeCommand::run(Context& context) const {
  const Arguments& arguments = context.arguments;
  VS_ASSIGN(const auto opener, make_opener(context));
  VS_ASSIGN(const auto server, serve::HttpServer::listen(arguments.port));
  VS_ASSIGN(std::string token, os::random_hex(kTokenBytes));
  const serve::Guard guard(
      {server->port(), arguments.prefix, std::move(token), arguments.tsp_open});
  std::unique_ptr<Opened> glance;
  serve::Service service({context.opened.summary(), context.opened.source(),
                          [&context] { return context.analyse(); }, nullptr, command_text(context),
                          reader_of(context.opened), glance_of(context.opened, glance),
                          part_of(context.opened)});
  context.progress.listen(
      [&service](std::uint64_t done, std::uint64_t total, std::string_view phase) {
        service.tell_progress(done, total, phase);
      });
  service.start();
  serve::PageHandler page(serve::page_files());
  serve::PageApi api(service);
  serve::TspOptions tsp_options;
  tsp_options.version = VS_VERSION;
  tsp_options.opener = opener.get();
  const auto tsp = serve::make_tsp(service, tsp_options);
  say_link(context, guard);
  if (arguments.open_page) {
    if (const Status shown = os::open_in_browser(guard.link()); !shown.ok()) {
      context.streams.err << "virtscope: " << shown.error().to_string() << '\n';
    }
  }
  server->run(guard, {page, api, *tsp}, context.cancel);
  service.stop();
  service.wait();
  context.progress.listen(nullptr);
  return ExitCode::kAnswered;
}

}  // namespace

const Command& serve_command() {
  static const ServeCommand kCommand;
  return kCommand;
}

}  // namespace vs::cli
