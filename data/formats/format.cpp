#include "data/formats/format.h"

#include <algorithm>

#include <fmt/core.h>

#include "core/error.h"
#include "data/file_kind.h"
#include "data/formats/file_dataset.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;

std::span<const DataFormat* const> data_formats() {
#define ROW(name) &name##_format,
  static const DataFormat* const formats[] = {DATA_FORMATS(ROW)};
#undef ROW
  return formats;
}

const std::vector<std::string_view>& data_format_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all = {"auto"};
    for (const DataFormat* format : data_formats()) {
      all.push_back(format->name);
    }
    return all;
  }();
  return names;
}

namespace {

void require_root(const DataOptions& options) {
  require<DataError>(!options.root.empty(),
                     "data.root is empty, expected the folder of the data; for the built-in data "
                     "set use data.format = \"shapes\"");
  const std::string root = printable(options.root.native());
  std::error_code error;
  require<DataError>(fs::exists(options.root, error), "{}: no such folder (data.root)", root);
  const bool folder = fs::is_directory(options.root, error);
  const std::string kind = folder ? "" : other_file_kind_of(options.root.native());
  require<DataError>(folder, "{}: not a folder (data.root); {}", root,
                     kind.empty() ? "give the folder that it is in" : "it " + kind);
  require<DataError>(!sorted_entries(options.root).empty(), "{}: the folder is empty (data.root)",
                     root);
}

const DataFormat& detect_format(const DataOptions& options) {
  std::string looked_for;
  for (const DataFormat* format : data_formats()) {
    if (format->detect == nullptr) {
      continue;
    }
    if (format->detect(options)) {
      return *format;
    }
    looked_for += fmt::format("{}{} ({})", looked_for.empty() ? "" : ", ", format->looks_like,
                              format->name);
  }
  fail<DataError>("{}: cannot tell the data's format: looked for {}; set data.format",
                  printable(options.root.native()), looked_for);
}

}  // namespace

const DataFormat& format_of(const DataOptions& options) {
  if (options.format == "auto") {
    require_root(options);
    return detect_format(options);
  }
  for (const DataFormat* format : data_formats()) {
    if (format->name == options.format) {
      if (format->detect != nullptr) {
        require_root(options);
      }
      return *format;
    }
  }
  const std::vector<std::string> names(data_format_names().begin(), data_format_names().end());
  fail<UsageError>("data.format '{}' is unknown{}; expected one of {}", printable(options.format),
                   did_you_mean(options.format, names), name_list(names, names.size()));
}

std::string data_format_help() {
  std::string text = "  data.format, what tells it, and what data.train, val and test name:\n";
  for (const DataFormat* format : data_formats()) {
    text += fmt::format("  {:<11} {}\n  {:<11}   {}\n", format->name, format->looks_like, "",
                        format->splits);
  }
  return text;
}

}  // namespace mld
