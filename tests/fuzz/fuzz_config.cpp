// Fuzz target: config text and overrides either parse, and then read back the same, or end in a
// UsageError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_file.h"
#include "core/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The first line is an override, the rest a file.
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = text.find('\n');
  const std::vector<std::string> overrides = {std::string(text.substr(0, line))};
  const std::string_view file = line == std::string_view::npos ? "" : text.substr(line + 1);
  mld::LoadedConfig loaded;
  try {
    loaded = mld::parse_config(file, "fuzz.toml", overrides);
  } catch (const mld::UsageError&) {
    return 0;
  }
  const std::string resolved = mld::to_toml(loaded.config, loaded.origins);
  const mld::Config again = mld::parse_config(resolved, "resolved.toml").config;  // may not throw
  if (mld::to_toml(again) != mld::to_toml(loaded.config)) {
    std::abort();
  }
  return 0;
}
