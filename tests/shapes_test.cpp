// The built-in data set: a pure function of its seed, balanced, learnable, exported as COCO.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "data/file.h"
#include "data/formats/coco.h"
#include "data/formats/format.h"
#include "data/formats/shapes.h"
#include "data/inspect.h"
#include "tests/data_files.h"

namespace mld::test {
namespace {

DataOptions shapes_options(int64_t train, int64_t val) {
  DataOptions options;
  options.format = "shapes";
  options.train_size = train;
  options.val_size = val;
  return options;
}

uint64_t pixel_hash(const Image& image) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const uint8_t value : image.rgb) {
    hash = (hash ^ value) * 0x100000001b3u;
  }
  return hash;
}

}  // namespace

TEST_CASE("shapes: a sample is a pure function of seed, split and index") {
  DataOptions options = shapes_options(50, 20);
  const auto train = open_dataset(options, "train"), again = open_dataset(options, "train");
  const auto val = open_dataset(options, "val"), test = open_dataset(options, "test");
  CHECK(train->size() == 50);
  CHECK(val->size() == 20);
  CHECK(test->size() == 20);
  CHECK(open_dataset(shapes_options(0, 0), "train")->size() == 20000);
  CHECK(train->source(17) == "shapes:train:17");
  CHECK(fingerprint(*train) == fingerprint(*again));
  CHECK(fingerprint(*val) != fingerprint(*test));
  std::set<uint64_t> hashes;
  for (int64_t i = 49; i >= 0; --i) {
    CHECK(train->load(i).rgb == again->load(i).rgb);
    hashes.insert(pixel_hash(train->load(i)));
  }
  for (int64_t i = 0; i < 20; ++i) {
    hashes.insert(pixel_hash(val->load(i)));
    hashes.insert(pixel_hash(test->load(i)));
  }
  options.seed = 43;
  const auto other = open_dataset(options, "train");
  hashes.insert(pixel_hash(other->load(0)));
  CHECK(hashes.size() == 91);
  // The same scenes with another number of samples or another size.
  const auto fewer = open_dataset(shapes_options(5, 5), "train");
  CHECK(fewer->load(4).rgb == train->load(4).rgb);
  options = shapes_options(50, 20);
  options.image_size = 96;
  const auto larger = open_dataset(options, "train");
  CHECK(larger->load(0).width == 96);
  for (int64_t i = 0; i < 50; ++i) {
    CHECK(std::ranges::equal(larger->labels(i), train->labels(i)));
  }
}

TEST_CASE("shapes: 36 classes, 1 to 5 shapes, about equally often") {
  const auto train = open_dataset(shapes_options(6000, 0), "train");
  const std::vector<std::string>& names = train->class_names();
  REQUIRE(names.size() == 36);
  CHECK(names[0] == "red circle");
  CHECK(names[7] == "yellow square");
  CHECK(names[35] == "magenta ring");
  const DatasetReport report = inspect(*train, false);
  REQUIRE(report.label_histogram.size() == 6);
  CHECK(report.label_histogram[0] == 0);
  CHECK(report.label_histogram[1] > 1100);  // 1/5 of the pictures, and a few with equal shapes
  CHECK(report.label_histogram[5] > 850);   // 1/5, less those with equal shapes
  for (const int64_t positives : report.positives) {
    // Expected 6000 * 3 / 36 = 500 less 5 % for equal shapes; five standard deviations.
    CHECK(std::abs(static_cast<double>(positives) - 483) < 110);
  }
}

TEST_CASE("shapes: every shape is visible, in its own colour") {
  int64_t shapes = 0, hidden = 0;
  for (int64_t i = 0; i < 300; ++i) {
    const Scene scene = shapes_scene(7, "train", i);
    std::vector<int8_t> owner;
    const Image image = draw_scene(scene, 64, &owner);
    CHECK(scene.shapes.size() >= 1);
    CHECK(scene.shapes.size() <= 5);
    for (size_t k = 0; k < scene.shapes.size(); ++k) {
      const SceneShape& shape = scene.shapes[k];
      std::array<double, 3> mean{};
      double area = 0;
      for (size_t p = 0; p < owner.size(); ++p) {
        if (owner[p] == static_cast<int8_t>(k)) {
          for (size_t c = 0; c < 3; ++c) {
            mean[c] += image.rgb[p * 3 + c];
          }
          ++area;
        }
      }
      const double side = 64 * shape.radius;
      ++shapes;
      hidden += area < 0.4 * side * side;  // the smallest form has about 0.9 radius^2
      if (area > 0.8 * side * side) {
        // The hue of the mean colour is nearest to the shape's own.
        const double low = std::ranges::min(mean);
        const double x = mean[0] - (mean[1] + mean[2]) / 2;
        const double y = (mean[1] - mean[2]) * std::sqrt(3.0) / 2;
        const double hue = std::atan2(y, x) * 180 / 3.14159265358979 + 360;
        const int nearest = static_cast<int>(std::lround(hue / 60)) % 6;
        CAPTURE(i);
        CHECK(nearest == shape.colour);
        CHECK(low / area < 110);  // saturated
      }
    }
  }
  CHECK(shapes > 800);
  CHECK(hidden * 50 < shapes);  // at most 2 %
}

TEST_CASE("shapes: forms and their areas") {
  // One shape in the middle: the area in units of radius^2 identifies the form.
  constexpr double kAreas[] = {3.1416 * 0.81, 1.96, 1.299, 1.3226, 1.7920, 3.1416 * 0.59};
  for (int form = 0; form < 6; ++form) {
    Scene scene = shapes_scene(1, "train", 0);
    scene.shapes.resize(1);
    scene.shapes[0].form = form;
    scene.shapes[0].x = scene.shapes[0].y = 0.5;
    scene.shapes[0].radius = 0.4;
    std::vector<int8_t> owner;
    draw_scene(scene, 400, &owner);
    const double area = static_cast<double>(std::ranges::count(owner, int8_t{0})) / (160.0 * 160.0);
    CAPTURE(kShapeForms[static_cast<size_t>(form)]);
    CHECK(area == doctest::Approx(kAreas[form]).epsilon(0.01));
  }
}

TEST_CASE("shapes: the drawing does not change unnoticed") {
  // Every published result with this data set depends on these pictures. Rounding to bytes absorbs
  // another mathematical library's last bit.
  const auto train = open_dataset(shapes_options(8, 0), "train");
  int64_t sum = 0;
  for (int64_t i = 0; i < 8; ++i) {
    const Image image = train->load(i);
    sum = std::accumulate(image.rgb.begin(), image.rgb.end(), sum);
  }
  CHECK(std::abs(sum - 12047387) < 50);
  std::vector<int> labels;
  for (int64_t i = 0; i < 2; ++i) {
    for (const SceneShape& shape : shapes_scene(42, "train", i).shapes) {
      labels.push_back(shape.label());
    }
  }
  CHECK(labels == std::vector<int>{26, 1, 24, 16, 28, 9, 29});
}

TEST_CASE("shapes: the COCO export holds the same pictures and labels") {
  TemporaryFolder folder;
  ShapesExport options{.seed = 5, .image_size = 48, .train = 40, .val = 12};
  export_shapes(folder.path() / "png", options);
  DataOptions exported;
  exported.root = folder.path() / "png";
  DataOptions drawn = shapes_options(40, 12);
  drawn.seed = 5;
  drawn.image_size = 48;
  CHECK(format_of(exported).name == "coco");
  const Splits files = open_splits(exported), shapes = open_splits(drawn);
  for (const auto& [file, shape] :
       {std::pair{files.train.get(), shapes.train.get()}, {files.val.get(), shapes.val.get()}}) {
    REQUIRE(file->size() == shape->size());
    CHECK(file->class_names() == shape->class_names());
    for (int64_t i = 0; i < file->size(); ++i) {
      CHECK(std::ranges::equal(file->labels(i), shape->labels(i)));
      CHECK(file->load(i).rgb == shape->load(i).rgb);
    }
  }
  CHECK(files.train->source(3) == "train/shapes_train_00000003.png");
  CHECK(!fs::exists(folder.path() / "png/test"));

  // Boxes and areas are those of the visible pixels.
  const std::string json =
      read_text_file(folder.path() / "png/annotations/instances_train.json", 1 << 20);
  const Scene scene = shapes_scene(5, "train", 0);
  std::vector<int8_t> owner;
  draw_scene(scene, 48, &owner);
  const int64_t area = std::ranges::count(owner, int8_t{0});
  CHECK(json.find(fmt::format("\"category_id\": {}", scene.shapes[0].label() + 1)) !=
        std::string::npos);
  CHECK(json.find(fmt::format("\"area\": {}, ", area)) != std::string::npos);

  options.jpeg = true;
  options.val = 0;
  export_shapes(folder.path() / "jpeg", options);
  exported.root = folder.path() / "jpeg";
  const auto jpeg = open_dataset(exported, "train");
  double error = 0;
  const Image a = jpeg->load(0), b = shapes.train->load(0);
  for (size_t i = 0; i < a.rgb.size(); ++i) {
    error += std::abs(a.rgb[i] - b.rgb[i]);
  }
  CHECK(error / static_cast<double>(a.rgb.size()) < 6);  // levels of 255
}

TEST_CASE("shapes: errors") {
  TemporaryFolder folder;
  folder.write("out/old.txt", "x");
  CHECK(message_of<DataError>([&] { export_shapes(folder.path() / "out", {}); }, folder.path()) ==
        "ROOT/out: exists and is not an empty folder; name a new one");
  CHECK(message_of<DataError>([&] { export_shapes(folder.path() / "out/old.txt/x", {}); },
                              folder.path()) ==
        "ROOT/out/old.txt/x: cannot make the folder: Not a directory");
  CHECK(message_of<UsageError>([&] { export_shapes(folder.path() / "new", {.image_size = 4}); }) ==
        "shapes-export: image_size is 4, expected 16 to 4096");
  DataOptions options = shapes_options(-1, 0);
  CHECK(message_of<UsageError>([&] { open_dataset(options, "train"); }) ==
        "data.train_size and data.val_size must not be negative, got -1 and 0");
  options = shapes_options(1, 1);
  options.image_size = 8;
  CHECK(message_of<UsageError>([&] { open_dataset(options, "train"); }) ==
        "data.image_size is 8, but shapes are drawn from 16 to 4096 pixels a side");
  options = shapes_options(1, 1);
  options.label_space.names = {"red circle"};
  CHECK(message_of<DataError>([&] { open_dataset(options, "train"); })
            .starts_with("shapes: 35 classes are not in the class list of 1: red square, "));
}

}  // namespace mld::test
