// Lists of labelled pictures as JSON lines: one object a line, as in Hugging Face's metadata.jsonl.
#pragma once

#include <string>
#include <string_view>

#include "data/formats/label_list.h"
#include "data/formats/picture_paths.h"

namespace mld {

struct JsonLines : LabelList {
  std::string path_key, labels_key, split_key;  // the members that hold them; "" = none
  std::string example;                          // a text with a comma that was taken for one label
  bool split_by_folder = false;                 // the splits are the first folders of the paths
  // "data.jsonl: labels from "tags", 14 classes, 1.6 a picture".
  std::string note() const;
};

// Members are recognised by the names that a CSV's columns have ("file_name", "image"; "label",
// "tags"; "split"). Labels are a text (one label), a whole number, a list of these, null (none), or
// an object of 1, 0 and null (unknown) by class; objects.categories is a list too. If no member
// names a split and all paths start with folders such as train/ and val/, these are the splits.
// Errors: DataError with file:line for text that is not JSON, a line that is no object, lines
// without a picture, labels of another kind, two members that may be the picture or the labels,
// unsafe paths.
JsonLines parse_json_lines(std::string_view text, const std::string& name,
                           const WrittenPaths& paths = WrittenPaths());

}  // namespace mld
