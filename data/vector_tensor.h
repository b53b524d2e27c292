// Word vectors in a safetensors file: one matrix, and a name for each of its rows.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/safetensors.h"

namespace mld {

// The matrix may be stored [names, D] or, as published for NUS-WIDE and COCO, [D, names], with
// leading dimensions of size 1. Names are the JSON list of the metadata's "names", else the lines
// of the file beside it that the metadata's "rows" names, else those of classes.txt.
class VectorTensor {
 public:
  // Errors: DataError naming the file: no matrix or several, of another type; names missing or not
  // as many as rows.
  explicit VectorTensor(const std::filesystem::path& file);

  const std::vector<std::string>& names() const { return names_; }
  std::vector<float> row(size_t i) const;  // [D]

 private:
  SafeTensorsFile file_;
  SafeTensor matrix_;
  std::vector<std::string> names_;
  bool by_columns_ = false;  // [D, names]
  int64_t dim_ = 0;
};

}  // namespace mld
