// Where a model looks for a label, by the label's name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/recognizer.h"
#include "models/cross_attention.h"

namespace mld {

struct LabelMap {
  int64_t query = 0;
  std::vector<std::string> sharing;  // the classes that the query answers: this one, or a group
  Tensor map;                        // f32 [rows, columns], sums to 1
};

//   LabelAttention attention("runs/pets");
//   recognizer.embed(pixels, attention.tap());
//   attention.map(recognizer, "dog", picture)
class LabelAttention {
 public:
  // Errors: as read_checkpoint_info; UsageError for a CLIP and for a head without attention.
  explicit LabelAttention(const std::string& checkpoint);

  Tap tap() { return attention_.tap(); }
  int heads() const { return attention_.heads(); }
  // Of a picture of the recognizer's last call, one of its labels and one head, or the mean of all.
  LabelMap map(const Recognizer& recognizer, const std::string& label, int64_t picture,
               std::optional<int> head = {});

 private:
  CrossAttention attention_;
  std::vector<std::string> outputs_;        // of the recognizer, once it was called
  std::map<std::string, int64_t> columns_;  // of these
};

}  // namespace mld
