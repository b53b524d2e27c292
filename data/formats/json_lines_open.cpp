// A split of a data set that is described by JSON lines.
#include "core/error.h"
#include "data/file.h"
#include "data/formats/format.h"
#include "data/formats/json_lines.h"
#include "data/formats/list_open.h"
#include "data/formats/split_words.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

bool is_json_lines_file(const fs::path& path) {
  const std::string ending = lower_case(path.extension().native());
  return ending == ".jsonl" || ending == ".ndjson";
}

LabelList read_json_lines(const fs::path& file, const DataOptions& options, std::string& note) {
  JsonLines lines = parse_json_lines(read_text_file(file, kMostListBytes),
                                     printable(file.native()), WrittenPaths(options.root));
  note = lines.note();
  return lines;
}

const ListKind& json_line_lists() {
  static const ListKind kind = {.name = "JSON lines",
                                .ending = ".jsonl",
                                .endings = ".jsonl",
                                .is_list = is_json_lines_file,
                                .text_files = false,
                                .of_folder = {"metadata.jsonl"},
                                .read = read_json_lines};
  return kind;
}

std::unique_ptr<Dataset> open_jsonl(const DataOptions& options, const std::string& split, Purpose) {
  return open_list(json_line_lists(), options, split);
}

bool is_jsonl(const DataOptions& options) {
  std::error_code error;
  return fs::exists(options.root / "metadata.jsonl", error) ||
         has_lists(json_line_lists(), options);
}

}  // namespace

const DataFormat jsonl_format = {
    .name = "jsonl",
    .looks_like = "data.jsonl, train.jsonl or metadata.jsonl",
    .splits = "a list (.jsonl), a word of the lines' \"split\", or a folder with a list",
    .detect = is_jsonl,
    .open = open_jsonl,
};

}  // namespace mld
