#include "cli/parse.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/escape.h"
#include "query/database.h"

namespace vs::cli {
namespace {

// Commands of versions to come: named, so that nobody takes them for typing errors.
constexpr std::string_view kLater[] = {"compare", "classify", "export", "record",
                                       "agent",   "top",      "doctor", "push"};

Error bad(std::string what, std::string hint = {}) {
  return {ErrorCode::kBadUse, std::move(what), "", std::move(hint)};
}

std::string command_list() {
  std::string text;
  for (const Command* command : commands()) {
    text += (text.empty() ? "" : ", ") + std::string(command->name());
  }
  return text;
}

const Command* find_command(std::string_view name) {
  for (const Command* command : commands()) {
    if (command->name() == name) return command;
  }
  return nullptr;
}

// Every option that exists, of whatever command.
std::vector<const OptionSpec*> all_options() {
  std::vector<const OptionSpec*> list;
  for (const OptionSpec& option : global_options()) list.push_back(&option);
  for (const Command* command : commands()) {
    for (const OptionSpec& option : command->options()) list.push_back(&option);
  }
  return list;
}

bool takes_value(std::string_view word) {
  for (const OptionSpec* option : all_options()) {
    if (option->name == word) return !option->value.empty();
  }
  return false;
}

// The position of the first word that is neither an option nor an option's value.
std::size_t first_word(const std::vector<std::string>& args) {
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--") return i + 1;
    if (args[i].size() < 2 || args[i][0] != '-') return i;
    if (takes_value(args[i])) ++i;  // "--name value"; "--name=value" is one word
  }
  return args.size();
}

Error unknown_command(const std::string& word) {
  const std::string shown = terminal_text(word);
  if (std::find(std::begin(kLater), std::end(kLater), word) != std::end(kLater)) {
    return bad(fmt::format("version {} has no command {} yet", VS_VERSION, shown),
               "it has " + command_list());
  }
  std::vector<std::string_view> names;
  for (const Command* command : commands()) names.push_back(command->name());
  if (const auto near = query::nearest(word, names)) {
    return bad(fmt::format("there is no command {}", shown),
               fmt::format("did you mean {}?", *near));
  }
  if (word.find_first_of("./") != std::string::npos) {
    return bad(fmt::format("{} is no command", shown),
               fmt::format("for the page about a trace: virtscope report {}", shown));
  }
  return bad(fmt::format("there is no command {}", shown), "it has " + command_list());
}

Error unknown_option(const std::string& word, const Command& command) {
  const std::string name = word.substr(0, word.find('='));
  const std::string shown = terminal_text(name);
  for (const Command* other : commands()) {
    for (const OptionSpec& option : other->options()) {
      if (option.name == name) {
        return bad(fmt::format("{} has no option {}", command.name(), shown),
                   fmt::format("it belongs to {}", other->name()));
      }
    }
  }
  std::vector<std::string_view> names = {"--help", "--version"};
  for (const OptionSpec& option : global_options()) names.push_back(option.name);
  for (const OptionSpec& option : command.options()) names.push_back(option.name);
  const auto near = query::nearest(name, names);
  return bad(fmt::format("unknown option {}", shown),
             near ? fmt::format("did you mean {}?", *near)
                  : fmt::format("virtscope {} --help lists them", command.name()));
}

// CLI11 bound to the option tables. Values are collected first and set afterwards, in order.
class OptionParser {
 public:
  explicit OptionParser(const Command& command) : command_(command) {
    app_.set_help_flag();
    app_.allow_extras(false);
    app_.add_flag("--help,-h", help_);
    app_.add_flag("--version", version_);
    app_.add_option("words", words_);
    for (const OptionSpec& option : global_options()) add(option);
    for (const OptionSpec& option : command.options()) add(option);
  }

  [[nodiscard]] Result<Parsed> parse(std::vector<std::string> args) {
    std::reverse(args.begin(), args.end());  // as CLI11 wants them
    try {
      app_.parse(args);
    } catch (const CLI::ExtrasError&) {
      for (const std::string& word : app_.remaining()) return unknown_option(word, command_);
      return bad("too many arguments");
    } catch (const CLI::ArgumentMismatch& error) {
      const std::string name =
          std::string(error.what()).substr(0, std::string(error.what()).find(':'));
      return bad(fmt::format("{} needs a value", terminal_text(name)),
                 fmt::format("virtscope {} --help", command_.name()));
    } catch (const CLI::ParseError& error) {
      return bad(fmt::format("{}", terminal_text(error.what())),
                 fmt::format("virtscope {} --help", command_.name()));
    }
    Parsed parsed;
    parsed.command = &command_;
    if (help_) parsed.wish = Parsed::Wish::kHelp;
    if (version_) parsed.wish = Parsed::Wish::kVersion;
    if (parsed.wish != Parsed::Wish::kRun) return parsed;
    VS_TRY(fill(parsed.arguments));
    return parsed;
  }

 private:
  struct Slot {
    const OptionSpec* spec;
    std::vector<std::string> values;
    bool flag = false;
  };

  void add(const OptionSpec& option) {
    Slot& slot = slots_[option.name];
    slot.spec = &option;
    const std::string name(option.name);
    if (option.value.empty()) {
      app_.add_flag(name, slot.flag);
    } else {
      app_.add_option(name, slot.values)->expected(1)->take_all()->allow_extra_args(false);
    }
  }

  [[nodiscard]] Status fill(Arguments& arguments) {
    for (const auto& [name, slot] : slots_) {
      if (slot.flag) VS_TRY(slot.spec->set(arguments, ""));
      if (slot.values.size() > 1 && !slot.spec->repeatable) {
        return bad(fmt::format("{} is given twice", name), "give it once");
      }
      for (const std::string& value : slot.values) VS_TRY(slot.spec->set(arguments, value));
    }
    if (command_.takes_sql()) {
      if (words_.empty()) {
        return bad("query needs traces and the SQL",
                   "virtscope query TRACE... 'SELECT * FROM vcpu'");
      }
      arguments.sql = words_.back();
      words_.pop_back();
    }
    const OpenOptions& open = arguments.open;
    if (words_.empty() && open.hosts.empty() && open.guests.empty()) {
      return bad(fmt::format("{} needs a trace", command_.name()),
                 fmt::format("virtscope {}", command_.usage()));
    }
    arguments.open.paths = std::move(words_);
    return {};
  }

  const Command& command_;
  CLI::App app_;
  bool help_ = false;
  bool version_ = false;
  std::vector<std::string> words_;
  std::map<std::string_view, Slot> slots_;
};

// Without a command only --help and --version make sense.
Result<Parsed> without_command(const std::vector<std::string>& args) {
  Parsed parsed;
  for (const std::string& word : args) {
    if (word == "--help" || word == "-h") parsed.wish = Parsed::Wish::kHelp;
    if (word == "--version") parsed.wish = Parsed::Wish::kVersion;
  }
  if (parsed.wish != Parsed::Wish::kRun) return parsed;
  if (!args.empty() && args[0] != "--" && !takes_value(args[0])) {
    return bad(fmt::format("unknown option {}, and no command", terminal_text(args[0])),
               "virtscope --help");
  }
  return bad("no command given", "virtscope report TRACE..., or virtscope --help");
}

}  // namespace

Result<Parsed> parse_command_line(const std::vector<std::string>& args) {
  const std::size_t at = first_word(args);
  if (at >= args.size()) return without_command(args);
  std::vector<std::string> rest = args;
  const std::string name = args[at];
  rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(at));
  if (name == "help") {
    Parsed parsed;
    parsed.wish = Parsed::Wish::kHelp;
    const std::size_t topic = first_word(rest);
    if (topic >= rest.size()) return parsed;
    parsed.command = find_command(rest[topic]);
    if (parsed.command == nullptr) return unknown_command(rest[topic]);
    return parsed;
  }
  const Command* const command = find_command(name);
  if (command == nullptr) return unknown_command(name);
  return OptionParser(*command).parse(std::move(rest));
}

}  // namespace vs::cli
