// What the formats share: samples that are files below a folder, and label rows stored once.
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

namespace mld {

// Label rows, each different row stored once: a million samples of one class each need one row per
// class.
class LabelTable {
 public:
  // `name` is the annotation file, for messages. Errors: DataError if there are no classes.
  LabelTable(int64_t classes, std::string name, int64_t most_bytes = int64_t{2} << 30);

  // Appends a sample. Columns may repeat; present wins over ignored, ignored over absent.
  // Errors: DataError if the different rows need more than most_bytes.
  void add(std::span<const std::pair<int32_t, Label>> labels);
  // Ends filling and frees what only add() needs.
  void freeze() { row_of_key_ = {}; }

  int64_t size() const { return static_cast<int64_t>(row_of_sample_.size()); }
  std::span<const Label> row(int64_t sample) const;  // [classes]

 private:
  int64_t classes_;
  std::string name_;
  int64_t most_bytes_;
  std::vector<std::vector<Label>> rows_;  // [different rows][classes]
  std::vector<uint32_t> row_of_sample_;
  std::unordered_map<std::string, uint32_t> row_of_key_;  // the bytes of the sorted labels
};

// The columns of label names: a given class list, or one that is derived from the data.
class ClassList {
 public:
  // `names` are the classes in target order. Errors: DataError for none, an empty name, one that is
  // not UTF-8, a repeated one; `where` starts the message.
  ClassList(std::vector<std::string> names, const std::string& where);

  const std::vector<std::string>& names() const { return names_; }
  int64_t size() const { return static_cast<int64_t>(names_.size()); }
  // The column of a name, -1 if it is not in the list.
  int32_t column(const std::string& name) const;

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, int32_t> columns_;
};

// Fails if `unknown` has any: "val.csv: 2 classes are not in the class list of 20: cow, sofa; ...".
void require_known(const std::vector<std::string>& unknown, const ClassList& classes,
                   const std::string& where);

// The samples of a split while a format collects them: applies data.unlabelled and the first-N
// limit, and counts what it leaves out.
class SampleList {
 public:
  // limit 0 = none. `where` is the annotation file or folder, for messages.
  SampleList(int64_t classes, Unlabelled unlabelled, int64_t limit, const std::string& where)
      : labels_(classes, where), unlabelled_(unlabelled), limit_(limit), where_(where) {}

  // `path` is relative to the pictures' folder.
  void add(std::string path, std::span<const std::pair<int32_t, Label>> labels);
  // Ends collecting. Errors: DataError if there is no sample.
  void finish();

  const LabelTable& labels() const { return labels_; }
  const std::vector<std::string>& paths() const { return paths_; }
  // What was left out, one sentence each.
  std::vector<std::string> notes() const;

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
    std::string prefix;            // put before a sample's path in source()
    bool checked = false;          // see Note [Paths from annotation files]
  };
  FileDataset(Place place, ClassList classes, SampleList samples)
      : place_(std::move(place)), classes_(std::move(classes)), samples_(std::move(samples)),
        notes_(samples_.notes()) {}

  int64_t size() const override { return samples_.labels().size(); }
  const std::vector<std::string>& class_names() const override { return classes_.names(); }
  std::span<const Label> labels(int64_t i) const override { return samples_.labels().row(i); }
  Image load(int64_t i) const override;
  void probe(int64_t i) const override;
  std::string source(int64_t i) const override;
  std::vector<std::string> notes() const override { return notes_; }
  void add_note(std::string note) { notes_.push_back(std::move(note)); }

 private:
  std::filesystem::path path(int64_t i) const;

  Place place_;
  ClassList classes_;
  SampleList samples_;
  std::vector<std::string> notes_;
};

// One function per format; options.format is resolved, options.root exists.
std::unique_ptr<Dataset> open_coco(const DataOptions&, const std::string& split, Purpose);
std::unique_ptr<Dataset> open_voc(const DataOptions&, const std::string& split, Purpose);
std::unique_ptr<Dataset> open_csv(const DataOptions&, const std::string& split, Purpose);
std::unique_ptr<Dataset> open_folder(const DataOptions&, const std::string& split, Purpose);
std::unique_ptr<Dataset> open_cifar(const DataOptions&, const std::string& split, Purpose);
std::unique_ptr<Dataset> open_shapes(const DataOptions&, const std::string& split, Purpose);

// Helpers of the formats.
// options.train, .val or .test. Errors: UsageError for another split.
const std::string& split_option(const DataOptions& options, const std::string& split);
// The first-N limit of a split of a format other than shapes.
int64_t split_limit(const DataOptions& options, const std::string& split);
// What source() puts before paths in `folder`: "train2014/", or "" for the root and outside it.
std::string prefix_of(const std::filesystem::path& folder, const std::filesystem::path& root);
// Whether a file name ends like a picture we decode: .jpg .jpeg .png .bmp .gif .ppm .pgm .pbm .pnm.
bool is_picture_name(std::string_view name);
// The entries of a folder in byte order. Errors: DataError if it is missing or unreadable.
std::vector<std::filesystem::path> sorted_entries(const std::filesystem::path& folder);

}  // namespace mld
