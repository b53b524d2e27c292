// Shared by the formats: samples that are files below a folder, and their labels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "data/formats/open.h"
#include "data/picture_files.h"

namespace mld {

// How `folder` lies below `root`: "train2014/"; "" for the root itself and outside it.
std::string prefix_of(const std::filesystem::path& folder, const std::filesystem::path& root);

// The labels of samples: 12 bytes a label and 8 a sample, however many classes there are.
class LabelTable {
 public:
  // Appends a sample. Columns may repeat: present wins over unknown, unknown over absent, and among
  // equal labels the larger weight.
  void add(std::span<const LabelEntry> labels);
  // To be called after the last add(): frees unused capacity.
  void freeze();

  int64_t size() const { return static_cast<int64_t>(begins_.size()) - 1; }
  std::span<const LabelEntry> row(int64_t sample) const;  // by ascending column

 private:
  std::vector<LabelEntry> entries_;  // of all samples
  std::vector<int64_t> begins_ = {0};  // [samples + 1] into entries_
};

// The columns of label names: a given class list, or one that is derived from the data.
class ClassList {
 public:
  // Errors: DataError if there are no classes, or a name is empty, not UTF-8 or repeated; `where`
  // starts the message.
  ClassList(LabelSpace space, const std::string& where);
  // A split's classes: options.label_space or, if that has no names, `own`, found at `where`.
  ClassList(const DataOptions& options, std::vector<std::string> own, const std::string& where);

  const LabelSpace& space() const { return space_; }
  const std::vector<std::string>& names() const { return space_.names; }
  int64_t size() const { return space_.size(); }
  // The column of a name, -1 if it is not in the list.
  int32_t column(const std::string& name) const;

 private:
  LabelSpace space_;
  std::unordered_map<std::string, int32_t> columns_;
};

// Fails if `unknown` has any: "val.csv: 2 classes are not in the class list of 20: cow, sofa; ...".
void require_known(const std::vector<std::string>& unknown, const ClassList& classes,
                   const std::string& where);

// Collects the samples of a split for a format: applies data.unlabelled and the first-N limit, and
// counts the samples it leaves out.
class SampleList {
 public:
  // limit 0 = none. `where` is the annotation file or folder, for messages.
  SampleList(Unlabelled unlabelled, int64_t limit, const std::string& where)
      : unlabelled_(unlabelled), limit_(limit), where_(where) {}

  // `path` is relative to the pictures' folder.
  void add(std::string path, std::span<const LabelEntry> labels);
  // Ends collecting. Errors: DataError if there is no sample.
  void finish();

  const LabelTable& labels() const { return labels_; }
  const std::vector<std::string>& paths() const { return paths_; }
  // Adds notes about the samples left out.
  void add_notes(Dataset& data) const;

 private:
  LabelTable labels_;
  std::vector<std::string> paths_;
  Unlabelled unlabelled_;
  int64_t limit_, offered_ = 0, without_labels_ = 0, beyond_limit_ = 0;
  std::string where_;
};

// Samples that are picture files below a folder.
class FileDataset : public Dataset {
 public:
  struct Place {
    std::filesystem::path folder;  // holds the pictures
    std::filesystem::path root;    // the data's
    bool checked = false;          // see Note [Paths from annotation files]
    DecodeOptions decode{};
  };
  FileDataset(Place place, const ClassList& classes, SampleList samples)
      : Dataset(classes.space()), place_(std::move(place)),
        prefix_(prefix_of(place_.folder, place_.root)), samples_(std::move(samples)) {
    samples_.add_notes(*this);
  }

  int64_t size() const override { return samples_.labels().size(); }
  std::span<const LabelEntry> labels(int64_t i) const override { return samples_.labels().row(i); }
  Image load(int64_t i) const override;
  void probe(int64_t i) const override;
  std::string source(int64_t i) const override;
  std::string file(int64_t i) const override;
  int64_t stored_bytes(int64_t i) const override;
  std::string stored(int64_t i) const override;

 private:
  std::filesystem::path path(int64_t i) const;

  Place place_;
  std::string prefix_;  // put before a sample's path in source()
  SampleList samples_;
};

// Helpers of the formats.
// options.train, .val or .test. Errors: UsageError for another split.
const std::string& split_option(const DataOptions& options, const std::string& split);
// The first-N limit of a split, for formats other than shapes.
int64_t split_limit(const DataOptions& options, const std::string& split);
// Whether a folder exists and holds a file whose name has this ending (and start).
bool has_file(const std::filesystem::path& folder, std::string_view ending,
              std::string_view start = "");

}  // namespace mld
