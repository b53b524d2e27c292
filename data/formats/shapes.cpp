#include "data/formats/shapes.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/random.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"

namespace mld {
namespace {

constexpr uint32_t kSceneStream = 0x530000;  // its low 16 bits: the split
constexpr int64_t kDefaultTrain = 20000, kDefaultVal = 2000;

uint32_t stream_of(const std::string& split) {
  uint32_t hash = 0x811c9dc5u;  // FNV-1a, folded to 16 bits
  for (const char c : split) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193u;
  }
  return kSceneStream | ((hash ^ (hash >> 16)) & 0xFFFFu);
}

// HSV to RGB; hue in degrees.
std::array<double, 3> rgb_of(double hue, double saturation, double value) {
  std::array<double, 3> rgb;
  for (int c = 0; c < 3; ++c) {
    const double offset = 5.0 - 2.0 * c;  // red 5, green 3, blue 1
    const double k = std::fmod(offset + hue / 60.0 + 6.0, 6.0);
    rgb[static_cast<size_t>(c)] =
        value - value * saturation * std::clamp(std::min(k, 4.0 - k), 0.0, 1.0);
  }
  return rgb;
}

// Places `shape` so that most of the earlier ones stay visible; shrinks it if that is impossible.
void place(SceneShape& shape, const std::vector<SceneShape>& earlier, RandomStream& random) {
  constexpr int kTries = 24;
  constexpr double kCloseness = 0.85;  // least distance of centres, of the sum of the radii
  constexpr double kSmallest = 0.09;
  while (true) {
    for (int i = 0; i < kTries; ++i) {
      shape.x = random.uniform(shape.radius, 1 - shape.radius);
      shape.y = random.uniform(shape.radius, 1 - shape.radius);
      const bool free = std::none_of(earlier.begin(), earlier.end(), [&](const SceneShape& other) {
        const double apart = kCloseness * (shape.radius + other.radius);
        const double dx = shape.x - other.x, dy = shape.y - other.y;
        return dx * dx + dy * dy < apart * apart;
      });
      if (free) {
        return;
      }
    }
    if (shape.radius * 0.85 < kSmallest) {
      return;
    }
    shape.radius *= 0.85;
  }
}

class ShapesDataset : public Dataset {
 public:
  ShapesDataset(const DataOptions& options, std::string split, const ClassList& classes)
      : Dataset(classes.space()), seed_(options.seed), size_(static_cast<int>(options.image_size)),
        split_(std::move(split)) {
    const int64_t wanted = split_ == "train" ? options.train_size : options.val_size;
    const int64_t count = wanted > 0 ? wanted : split_ == "train" ? kDefaultTrain : kDefaultVal;
    const std::vector<std::string> names = shape_class_names();
    std::vector<LabelEntry> row;
    for (int64_t i = 0; i < count; ++i) {
      row.clear();
      for (const SceneShape& shape : shapes_scene(seed_, split_, i).shapes) {
        row.push_back({.column = classes.column(names[static_cast<size_t>(shape.label())])});
      }
      labels_.add(row);
    }
    labels_.freeze();
  }

  int64_t size() const override { return labels_.size(); }
  std::span<const LabelEntry> labels(int64_t i) const override { return labels_.row(i); }
  Image load(int64_t i) const override { return draw_scene(shapes_scene(seed_, split_, i), size_); }
  std::string source(int64_t i) const override { return fmt::format("shapes:{}:{}", split_, i); }

 private:
  uint64_t seed_;
  int size_;
  std::string split_;
  LabelTable labels_;
};

}  // namespace

std::vector<std::string> shape_class_names() {
  std::vector<std::string> names;
  for (const char* colour : kShapeColours) {
    for (const char* form : kShapeForms) {
      names.push_back(fmt::format("{} {}", colour, form));
    }
  }
  return names;
}

Scene shapes_scene(uint64_t seed, const std::string& split, int64_t index) {
  Scene scene;
  scene.seed = seed;
  scene.sample = static_cast<uint64_t>(index);
  scene.stream = stream_of(split);
  RandomStream random({scene.seed, scene.sample, scene.stream});
  const int count = 1 + random.below(5);
  for (int i = 0; i < count; ++i) {
    SceneShape shape;
    shape.colour = random.below(static_cast<int>(kShapeColours.size()));
    shape.form = random.below(static_cast<int>(kShapeForms.size()));
    shape.radius = random.uniform(0.15, 0.25);
    shape.angle = random.uniform(0, 2 * std::numbers::pi);
    const double hue = 60.0 * shape.colour + random.uniform(-12, 12);
    const double saturation = random.uniform(0.7, 1.0);
    shape.rgb = rgb_of(hue, saturation, random.uniform(0.7, 1.0));
    shape.texture = random.below(4);
    shape.texture_period = random.uniform(0.04, 0.09);
    shape.texture_depth = random.uniform(0.15, 0.35);
    place(shape, scene.shapes, random);
    scene.shapes.push_back(shape);
  }
  return scene;
}

namespace {

ClassDivision shapes_division(const DataOptions&) {
  ClassDivision division{.seen = {}, .unseen = {}, .source = "shapes"};
  for (size_t c = 0; c < kShapeColours.size(); ++c) {
    for (size_t f = 0; f < kShapeForms.size(); ++f) {
      const bool unseen = shape_pair_unseen(static_cast<int>(c), static_cast<int>(f));
      (unseen ? division.unseen : division.seen)
          .push_back(fmt::format("{} {}", kShapeColours[c], kShapeForms[f]));
    }
  }
  return division;
}

std::unique_ptr<Dataset> open_shapes(const DataOptions& options, const std::string& split,
                                     Purpose) {
  constexpr int64_t kMost = 100'000'000;
  require<UsageError>(options.image_size >= 16 && options.image_size <= 4096,
                      "data.image_size is {}, but shapes are drawn from 16 to 4096 pixels a side",
                      options.image_size);
  require<UsageError>(options.train_size <= kMost && options.val_size <= kMost,
                      "shapes: at most {} samples, got data.train_size = {}, data.val_size = {}",
                      kMost, options.train_size, options.val_size);
  const std::vector<std::string> names = shape_class_names();
  const ClassList classes(options, names, "shapes");
  std::vector<std::string> unknown;
  std::copy_if(names.begin(), names.end(), std::back_inserter(unknown),
               [&](const std::string& name) { return classes.column(name) < 0; });
  require_known(unknown, classes, "shapes");
  return std::make_unique<ShapesDataset>(options, split, classes);
}

}  // namespace

const DataFormat shapes_format = {
    .name = "shapes",
    .looks_like = "drawn from a seed: no files",
    .splits = "nothing: the splits differ in their seed",
    .detect = nullptr,
    .open = open_shapes,
    .division = shapes_division,
    .vectors = shape_vectors,
};

}  // namespace mld
