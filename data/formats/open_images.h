// Open Images' image-level labels: CSV rows of a picture, a label and how sure somebody is of it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mld {

struct OpenImagesRow {
  std::string image, label;  // "000002b66c9c498e", "/m/01g317"
  bool machine = false;      // a classifier's opinion; else a person has looked
  double confidence = 0;     // of people 1 (it is there) or 0 (it is not)
};

// Hands every row to `take`. The columns ImageID, LabelName, Confidence and perhaps Source are
// found by the header. Errors: DataError with file:line for a missing column, rows of another
// length, a confidence that is no number from 0 to 1 or, of people, neither 0 nor 1.
void read_open_images(std::string_view text, const std::string& name,
                      const std::function<void(const OpenImagesRow&)>& take);

// Whether a file begins with that header.
bool is_open_images_header(std::string_view start);

// The names of labels from a list of label,description. Equal descriptions get their label behind
// them. Errors: DataError with file:line for rows that are not two texts.
std::unordered_map<std::string, std::string> read_label_names(std::string_view text,
                                                              const std::string& name);

}  // namespace mld
