#include "data/label_space.h"

namespace mld {

LabelSpace seen_part(const LabelSpace& space) {
  LabelSpace part;
  std::vector<float> rows;
  const int64_t D = space.vectors.defined() ? space.vectors.shape()[1] : 0;
  for (size_t k = 0; k < space.names.size(); ++k) {
    if (space.was_seen(k)) {
      part.names.push_back(space.names[k]);
      if (D > 0) {
        const float* row = space.vectors.data<float>() + static_cast<int64_t>(k) * D;
        rows.insert(rows.end(), row, row + D);
      }
    }
  }
  if (D > 0) {
    part.vectors = Tensor::from({part.size(), D}, rows);
  }
  return part;
}

}  // namespace mld
