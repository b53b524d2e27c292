// A split of a data set that is described by CSV lists.
#include "core/error.h"
#include "data/file.h"
#include "data/formats/csv.h"
#include "data/formats/format.h"
#include "data/formats/nus_wide.h"
#include "data/formats/split_words.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

bool is_csv_file(const fs::path& path) {
  const std::string ending = lower_case(path.extension().native());
  return ending == ".csv" || ending == ".tsv";
}

LabelList read_csv(const fs::path& file, const DataOptions& options, std::string& note) {
  const CsvHints hints{
      options.label_separator, options.columns,
      options.known_classes.empty() ? options.label_space.names : options.known_classes};
  LabelCsv csv = parse_label_csv(read_text_file(file, kMostListBytes), printable(file.native()),
                                 hints, WrittenPaths(options.root));
  note = csv.note();
  return csv;
}

}  // namespace

const ListKind& csv_lists() {
  static const ListKind kind = {.name = "CSV list",
                                .ending = ".csv",
                                .endings = ".csv or .tsv",
                                .is_list = is_csv_file,
                                .text_files = true,
                                .of_folder = {"_classes.csv", "metadata.csv"},
                                .read = read_csv};
  return kind;
}

namespace {

std::unique_ptr<Dataset> open_csv(const DataOptions& options, const std::string& split, Purpose) {
  std::unique_ptr<Dataset> data = open_list(csv_lists(), options, split);
  const fs::path classes = split == "train" && !options.zero_shot
                               ? find_class_split(options.root) : fs::path();
  if (!classes.empty()) {
    data->add_note(fmt::format("{}: seen and unseen classes, not used; data.format = \"nus_wide\" "
                               "reads them", printable(classes.native())));
  }
  return data;
}

bool is_csv(const DataOptions& options) { return has_lists(csv_lists(), options); }

}  // namespace

const DataFormat csv_format = {
    .name = "csv",
    .looks_like = "data.csv or train.csv",
    .splits = "a list (.csv, .tsv, .txt), a word of the split column, or a folder with a list",
    .detect = is_csv,
    .open = open_csv,
};

}  // namespace mld
