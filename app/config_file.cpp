#include "app/config_file.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "app/config_check.h"
#include "app/toml_reader.h"
#include "core/error.h"
#include "data/file.h"
#include "data/file_kind.h"
#include "data/text.h"
#include "train/config_keys.h"

namespace mld {
namespace {

constexpr std::string_view kCommandLine = "command line";

bool is_section(std::string_view name) {
  return std::ranges::count(config_sections(), name) > 0;
}

// "did you mean" for a key: the nearest name in its section, else the same name in another section,
// else the nearest full name.
std::string key_suggestion(const std::string& section, const std::string& name) {
  std::vector<std::string> siblings, all;
  for (const Key& key : config_keys()) {
    if (key.section == section) {
      siblings.emplace_back(key.name);
    }
    if (key.name == name) {
      return fmt::format(", did you mean '{}'?", key.full_name());
    }
    all.push_back(key.full_name());
  }
  const std::string near = did_you_mean(name, siblings);
  return near.empty() ? did_you_mean(section.empty() ? name : section + "." + name, all) : near;
}

// Makes `place`, a path relative to `folder`, absolute; "" stays.
void make_absolute(std::string& place, const std::filesystem::path& folder) {
  if (place.empty()) {
    return;
  }
  const std::filesystem::path whole = std::filesystem::absolute(folder / place);
  const std::filesystem::path shorter = whole.lexically_normal();
  std::error_code missing;  // "link/.." may differ from the link's own folder
  const bool same = !std::filesystem::exists(whole, missing) ||
                    std::filesystem::equivalent(whole, shorter, missing);
  place = (same ? shorter : whole).native();
}

// The origin that to_toml() has written behind a value, else "".
std::string comment_after(const TomlPlace& value) {
  const size_t at = value.text.find("# ", static_cast<size_t>(value.column - 1 + value.length));
  return at == std::string::npos ? "" : value.text.substr(at + 2);
}

// Reads entries into a config and collects all their errors.
class ConfigReader {
 public:
  // Paths in the text are relative to `folder`; "" is the current one.
  explicit ConfigReader(std::string file, std::filesystem::path folder = {}, bool kept = false)
      : file_(std::move(file)), folder_(std::move(folder)), kept_(kept) {}

  void read_text(std::string_view text);
  void read_override(const std::string& argument);
  // Errors: UsageError with all problems.
  LoadedConfig finish();

 private:
  void use_loss_preset();
  void read_entry(const TomlEntry& entry, const std::string& file);
  void problem(const std::string& file, const TomlPlace& place, const std::string& what) {
    problems_.push_back(located_message(file, place, what));
  }

  std::string file_;
  std::filesystem::path folder_;
  bool kept_;  // the text's comments are origins
  LoadedConfig loaded_;
  GivenKeys given_;
  std::vector<std::string> problems_;
  bool readable_ = true;  // false: the file is not valid TOML, so its keys are unknown
};

void ConfigReader::read_text(std::string_view text) {
  const TomlDocument document = read_toml(text);
  if (document.problem) {
    problem(file_, document.problem->place, document.problem->what);
    readable_ = false;
    return;
  }
  const std::vector<std::string> known(config_sections().begin(), config_sections().end());
  for (const TomlSection& section : document.sections) {
    if (!is_section(section.name)) {
      problem(file_, section.place,
              fmt::format("unknown section [{}]{}", printable(section.name),
                          did_you_mean(section.name, known)));
    }
  }
  for (const TomlEntry& entry : document.entries) {
    if (entry.section.empty() || is_section(entry.section)) {
      read_entry(entry, file_);
    }
  }
}

void ConfigReader::read_entry(const TomlEntry& entry, const std::string& file) {
  const Key* key = find_key(entry.section, entry.name);
  if (key == nullptr) {
    problem(file, entry.key_place,
            entry.section.empty() && is_section(entry.name)
                ? fmt::format("'{0}' is a section: write [{0}] and its keys below", entry.name)
                : fmt::format("unknown key '{}'{}{}", printable(entry.name),
                              entry.section.empty() ? "" : " in [" + entry.section + "]",
                              key_suggestion(entry.section, entry.name)));
    return;
  }
  const std::string wrong = assign(*key, entry.value, loaded_.config);
  if (!wrong.empty()) {
    problem(file, entry.value_place, fmt::format("{}: {}", key->full_name(), wrong));
  } else if (key->effect == Effect::place) {
    std::string where = std::get<std::string>(key->get(loaded_.config));
    if (where.find("://") != std::string::npos) {
      problem(file, entry.value_place, fmt::format("{}: expected a path, not an address with "
                                                   "\"://\"", key->full_name()));
    }
    make_absolute(where, file == kCommandLine ? "" : folder_);
    key->set(loaded_.config, where);
  }
  given_[key->full_name()] = {file, entry.value_place, wrong.empty()};
  std::string origin = kept_ && file != kCommandLine ? comment_after(entry.value_place) : "";
  if (origin.empty()) {
    origin = file == kCommandLine ? file : fmt::format("{}:{}", file, entry.value_place.line);
  }
  if (origin != kDefault) {
    loaded_.origins[key->full_name()] = origin;
  }
}

void ConfigReader::read_override(const std::string& argument) {
  const size_t equals = argument.find('=');
  // Line 0: the value is from an argument, not from a line of a file.
  TomlPlace place{0, 1, static_cast<int64_t>(std::min(equals, argument.size())), argument};
  const std::string file(kCommandLine);
  if (!is_utf8(argument)) {
    problem(file, place, "the text is not UTF-8");
    return;
  }
  if (equals == std::string::npos || equals == 0) {
    problem(file, place, "expected section.key=value");
    return;
  }
  const std::string full = argument.substr(0, equals);
  const size_t dot = full.find('.');
  TomlEntry entry;
  entry.section = dot == std::string::npos ? "" : full.substr(0, dot);
  entry.name = dot == std::string::npos ? full : full.substr(dot + 1);
  entry.key_place = place;
  place.column = static_cast<int64_t>(equals) + 2;
  place.length = std::max<int64_t>(1, static_cast<int64_t>(argument.size() - equals) - 1);
  entry.value_place = place;

  const std::string text(trimmed(argument.substr(equals + 1)));
  const Key* key = find_key(entry.section, entry.name);
  const bool is_text = key != nullptr && std::holds_alternative<std::string>(
                                             key->get(loaded_.config));
  const bool quoted = !text.empty() && (text[0] == '"' || text[0] == '\'');
  const TomlDocument parsed = read_toml("v = " + text);
  if ((is_text && !quoted) || parsed.problem || parsed.entries.size() != 1) {
    entry.value = text;
  } else {
    entry.value = parsed.entries[0].value;
  }
  read_entry(entry, file);
}

// The keys of [loss] that are not given take the values that loss.name stands for.
void ConfigReader::use_loss_preset() {
  Config preset;
  preset.loss = loss_preset(loaded_.config.loss.name);
  for (const Key& key : config_keys()) {
    if (key.section == "loss" && !given_.contains(key.full_name()) &&
        key.get(preset) != key.get(loaded_.config)) {
      key.set(loaded_.config, key.get(preset));
      loaded_.origins[key.full_name()] = "loss.name";
    }
  }
}

LoadedConfig ConfigReader::finish() {
  use_loss_preset();
  if (readable_) {
    check_contradictions(loaded_.config, given_, problems_);
  }
  if (!problems_.empty()) {
    const size_t count = problems_.size();
    const std::string head =
        count == 1 ? "" : fmt::format("{} errors in the configuration\n", count);
    throw UsageError(fmt::format("{}{}", head, fmt::join(problems_, "\n")));
  }
  return std::move(loaded_);
}

}  // namespace

static LoadedConfig read(ConfigReader reader, std::string_view text,
                         std::span<const std::string> overrides) {
  reader.read_text(text);
  for (const std::string& argument : overrides) {
    reader.read_override(argument);
  }
  return reader.finish();
}

LoadedConfig parse_config(std::string_view text, const std::string& file,
                          std::span<const std::string> overrides) {
  return read(ConfigReader(printable(file)), text, overrides);
}

LoadedConfig parse_kept_config(std::string_view text, const std::string& file,
                               std::span<const std::string> overrides) {
  return read(ConfigReader(printable(file), {}, true), text, overrides);
}

LoadedConfig load_config(const std::filesystem::path& file,
                         std::span<const std::string> overrides) {
  const std::string kind = other_file_kind_of(file);
  require<UsageError>(kind.empty(), "{}: {}; expected a config (TOML)", printable(file.native()),
                      kind);
  std::string text;
  try {
    text = read_text_file(file, kMaxConfigBytes);
  } catch (const DataError& error) {  // an unreadable config is a usage error
    fail<UsageError>("{}{}", error.what(), std::filesystem::is_directory(file)
        ? " with settings; to look at the data in a folder: mltrain check FOLDER" : "");
  }
  return read(ConfigReader(printable(file.native()), file.parent_path()), text, overrides);
}

}  // namespace mld
