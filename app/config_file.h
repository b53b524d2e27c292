// Reads a run's configuration: TOML and overrides become the structs of train/config.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "train/config.h"

namespace mld {

// Longer files are refused.
constexpr int64_t kMaxConfigBytes = 256 << 10;

// Reads a file and applies overrides "section.key=value" in order. Values are TOML; bare words are
// accepted as text, and for a text key any unquoted value is taken as text.
// Paths (data.root, model.init) become absolute: those in a file are relative to the file's folder,
// those in an override to the current one.
// Errors: UsageError for a missing or malformed file; every unknown key, wrong type, value out of
// range and contradiction is reported in the same message, each with file:line:column, the line, a
// caret, what was expected and the nearest known name.
LoadedConfig load_config(const std::filesystem::path& file,
                         std::span<const std::string> overrides = {});
// The same from TOML text; `file` appears in messages and origins, paths are relative to the
// current folder.
LoadedConfig parse_config(std::string_view text, const std::string& file,
                          std::span<const std::string> overrides = {});

// The same from the text that to_toml() has written: origins are those in its comments.
LoadedConfig parse_kept_config(std::string_view text, const std::string& file,
                               std::span<const std::string> overrides = {});

// Every key of a section (or of all) with type, default, choices and meaning, as text.
// Errors: UsageError for an unknown section, with the nearest.
std::string help_config(std::string_view section = "");

}  // namespace mld
