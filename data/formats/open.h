// Opens a data set from a folder, whatever its format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "data/dataset.h"
#include "data/word_vectors.h"

namespace mld {

enum class Unlabelled { drop, keep };  // samples without any label
constexpr std::array<std::string_view, 2> words_of(Unlabelled) { return {"drop", "keep"}; }
enum class Difficult { keep, ignore };  // VOC objects marked difficult
constexpr std::array<std::string_view, 2> words_of(Difficult) { return {"keep", "ignore"}; }

// The values of data.format: "auto" and the names in the table of data/formats/format.h.
const std::vector<std::string_view>& data_format_names();

// Keys of config section [data]: where the data is and which part to use.
struct DataOptions {
  std::string format = "auto";
  std::filesystem::path root;
  // What each split is: "" = look for the usual names; DataFormat::splits lists the other forms.
  // Paths are absolute or relative to root; they come from the user and are trusted.
  std::string train, val, test;
  Unlabelled unlabelled = Unlabelled::drop;  // drop is what the published COCO loader does
  Difficult difficult = Difficult::keep;
  // csv: what separates labels in a cell ("none": a cell is one label), and the columns' roles,
  // each one of path, labels, split, class (a column of 0 and 1) and -; "auto" = detected.
  std::string label_separator = "auto", columns = "auto";
  // open_images, in training: the weight of a class that nobody has looked for in a picture, which
  // counts as absent; and from which confidence on a classifier's label counts as present, 0 =
  // never. Evaluation counts both as unknown.
  double untagged_weight = 1, machine_confidence = 0;
  // shapes: how many to draw (0 = 20,000 and 2,000). Other formats: only the first N (0 = all).
  // val_size also limits the test split of shapes, and no other format's.
  int64_t train_size = 0, val_size = 0;
  // If there is no val split, this part of train becomes it: Note [Stratified split]. 0 = never.
  double val_fraction = 0;
  // Or these pictures of train do, whatever val split there is: a text file of their source()s, one
  // a line. "" = none.
  std::string val_list;
  // Zero-shot: which classes are unseen, and which are seen ("" = all others; other classes are not
  // used). A .txt file, a name a line, relative to root; or names separated by commas. unseen also:
  // a .json file, {"test class": [...]} and perhaps "train class"; "" = the format's own division.
  std::string unseen, seen;
  // A file of the classes' word vectors (docs/data.md); "" = none but the format's own.
  std::string vectors;
  VectorNorm vector_norm = VectorNorm::unit;
  // Not keys of their own:
  bool zero_shot = false;  // see Note [Zero-shot splits] in class_division.h
  ReadProgress vectors_progress{};
  DecodeOptions decode;     // of picture files
  int64_t image_size = 64;  // shapes: side of the drawn pictures, 16 to 4,096
  uint64_t seed = 42;       // shapes, and val_fraction's draw
  // The classes in target order; without names, the split's own. To open another split with the
  // same targets, give the model's or the training split's. A label outside the list is an error; a
  // class without samples is not.
  LabelSpace label_space;
  // Names that are classes for certain, by which a list's label cells are understood; empty =
  // those of label_space. open_splits() gives the training split's; notes that hold for all splits
  // are then not repeated.
  std::vector<std::string> known_classes;
};

// Note [Labels by purpose]. A picture's label for a VOC class with only difficult objects in it:
//   evaluation                           Label::unknown
//   training, difficult = "keep"         Label::present
//   training, difficult = "ignore"       Label::unknown; see loss.unknown_weight
// (spec/metrics-data.md section 5: neither published protocol says how it trained on them.)
enum class Purpose { training, evaluation };

// The split does not exist; one that exists but is wrong is another DataError.
struct NoSplit : DataError {
  using DataError::DataError;
};

// Opens one split: "train", "val" or "test". Reads the labels, not the pictures.
// Errors: UsageError for an unknown format or split; DataError for a missing or empty folder,
// malformed or inconsistent annotations (file with line or byte offset), paths that leave the root,
// labels outside options.label_space.
std::unique_ptr<Dataset> open_dataset(const DataOptions& options, const std::string& split,
                                      Purpose purpose);
// For training if split is "train", else for evaluation.
std::unique_ptr<Dataset> open_dataset(const DataOptions& options, const std::string& split);
// Whether the data have this split of their own. Errors: as open_dataset.
bool has_split(const DataOptions& options, const std::string& split);

// Opens train for training and val for evaluation. shared: both have train's classes followed by
// those that only val shows, with a warning about these. own: each has its own, and val's label
// space marks the classes that train shows. Zero-shot, whatever val_classes is: train has the seen
// classes, val all, with marks. Label spaces get word vectors, if there are any.
enum class ValClasses { shared, own };
struct Splits {
  std::unique_ptr<Dataset> train, val;
  std::vector<std::string> warnings = {};  // see split_warnings()
};
Splits open_splits(const DataOptions& options, ValClasses val_classes = ValClasses::shared);

}  // namespace mld
