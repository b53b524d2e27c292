// Which classes training shows and which it does not: the division of zero-shot recognition.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/open.h"

namespace mld {

struct ClassDivision {
  std::vector<std::string> seen;  // empty: all classes of the data that are not unseen
  std::vector<std::string> unseen;
  std::string source;  // where this is said, for messages
};

// {"test class": [...]}, the unseen ones, and perhaps "train class", the seen ones. `name` starts
// messages and is the source. Errors: DataError for other content.
ClassDivision parse_class_division(std::string_view json, const std::string& name);

// Note [Zero-shot splits]. The published rule for NUS-WIDE (spec/metrics-data.md section 8), for
// every format: training has the seen classes as columns and the pictures that show one of them;
// evaluation has both kinds, and the pictures that show one of either. Labels of other classes are
// left out; pictures without any label are as data.unlabelled says. Columns are in order of the
// names. So a training picture may show an unseen class, which nobody tells the model.

// Applies the division that options.unseen and options.seen give, or else the format's own, to two
// splits that share all their classes. Errors: DataError for a division that does not fit them:
// no unseen class, one that is also seen, names that differ too little, classes that no picture
// shows.
void divide_classes(const DataOptions& options, Splits& splits);

// Refuses data that spell a class of `space` differently: it would be left out without a word.
// Errors: DataError naming both.
void require_spelled_alike(const std::vector<std::string>& data, const LabelSpace& space);

// The data with the classes of `space` as columns, by the rule of the note.
// Errors: DataError if no picture is left.
std::unique_ptr<Dataset> with_classes(std::unique_ptr<Dataset> data, LabelSpace space);

}  // namespace mld
