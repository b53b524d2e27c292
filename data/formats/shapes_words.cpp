// The built-in data set's zero-shot division and word vectors.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "data/formats/shapes.h"
#include "data/text.h"

namespace mld {
namespace {

constexpr int64_t kWidth = 300;  // as GloVe's
constexpr uint32_t kWordStream = 0x540000;

// A random direction, of unit length, for the word with this number.
std::vector<double> direction_of(size_t word) {
  RandomStream random({.seed = 0, .step = word, .stream = kWordStream});
  std::vector<double> values(kWidth);
  double sum = 0;
  for (double& v : values) {
    v = random.normal();
    sum += v * v;
  }
  for (double& v : values) {
    v /= std::sqrt(sum);
  }
  return values;
}

}  // namespace

bool shape_pair_unseen(int colour, int form) {
  return form == colour || (colour < 3 && form == colour + 3);
}

Tensor shape_vectors(std::span<const std::string> names) {
  const std::vector<std::string> classes = shape_class_names();
  Tensor result({static_cast<int64_t>(names.size()), kWidth});
  float* out = result.data<float>();
  for (const std::string& name : names) {
    const auto label = static_cast<size_t>(std::ranges::find(classes, name) - classes.begin());
    require<DataError>(label < classes.size(), "shapes: no class '{}'{}", printable(name),
                       did_you_mean(name, classes));
    const std::vector<double> colour = direction_of(label / kShapeForms.size());
    const std::vector<double> form =
        direction_of(kShapeColours.size() + label % kShapeForms.size());
    double sum = 0;
    for (size_t d = 0; d < kWidth; ++d) {
      sum += (colour[d] + form[d]) * (colour[d] + form[d]);
    }
    for (size_t d = 0; d < kWidth; ++d) {
      *out++ = static_cast<float>((colour[d] + form[d]) / std::sqrt(sum));
    }
  }
  return result;
}

}  // namespace mld
