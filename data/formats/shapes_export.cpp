// Writing the shapes data set as a COCO folder.
#include <algorithm>
#include <cstring>
#include <fstream>

#include "core/error.h"
#include "data/file.h"
#include "data/formats/shapes.h"
#include "data/image_encode.h"
#include "data/json_writer.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

void write_file(const fs::path& path, const void* data, size_t bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  file.close();
  require<DataError>(file.good(), "{}: cannot write: {}", printable(path.native()),
                     std::strerror(errno));
}

struct Visible {
  int64_t area = 0;
  int left = 1 << 30, top = 1 << 30, right = -1, bottom = -1;
};

std::vector<Visible> visible_parts(const std::vector<int8_t>& owner, int size, size_t shapes) {
  std::vector<Visible> parts(shapes);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const int8_t shape = owner[static_cast<size_t>(y) * size + x];
      if (shape >= 0) {
        Visible& part = parts[static_cast<size_t>(shape)];
        ++part.area;
        part.left = std::min(part.left, x);
        part.right = std::max(part.right, x);
        part.top = std::min(part.top, y);
        part.bottom = std::max(part.bottom, y);
      }
    }
  }
  return parts;
}

std::vector<uint8_t> encoded(const Image& image, const std::string& name,
                             const ShapesExport& options) {
  return options.jpeg ? encode_jpeg(image, options.jpeg_quality, name) : encode_png(image, name);
}

void export_split(const fs::path& folder, const std::string& split, int64_t count,
                  const ShapesExport& options) {
  JsonWriter images, annotations, categories;
  images.array();
  annotations.array();
  int64_t annotation_id = 0;
  std::vector<int8_t> owner;
  for (int64_t i = 0; i < count; ++i) {
    const Scene scene = shapes_scene(options.seed, split, i);
    const Image image = draw_scene(scene, options.image_size, &owner);
    const std::string file =
        fmt::format("shapes_{}_{:08}.{}", split, i, options.jpeg ? "jpg" : "png");
    const std::vector<uint8_t> bytes = encoded(image, file, options);
    write_file(folder / split / file, bytes.data(), bytes.size());
    images.object().member("id", i + 1).member("file_name", file);
    images.member("width", image.width).member("height", image.height).end();
    const std::vector<Visible> parts = visible_parts(owner, image.width, scene.shapes.size());
    for (size_t k = 0; k < parts.size(); ++k) {
      const Visible& part = parts[k];
      if (part.area > 0) {
        annotations.object().member("id", ++annotation_id).member("image_id", i + 1);
        annotations.member("category_id", scene.shapes[k].label() + 1).key("bbox").array();
        annotations.value(part.left).value(part.top).value(part.right - part.left + 1);
        annotations.value(part.bottom - part.top + 1).end();
        annotations.member("area", part.area).member("iscrowd", 0);
        annotations.key("segmentation").array().end().end();
      }
    }
  }
  const std::vector<std::string> names = shape_class_names();
  categories.array();
  for (size_t k = 0; k < names.size(); ++k) {
    categories.object().member("id", k + 1).member("name", names[k]);
    categories.member("supercategory", kShapeColours[k / kShapeForms.size()]).end();
  }
  JsonWriter json;
  json.object().key("info").object();
  json.member("description", fmt::format("shapes, seed {}, split {}", options.seed, split)).end();
  json.key("images").raw(images.end().text()).key("annotations").raw(annotations.end().text());
  json.key("categories").raw(categories.end().text()).end();
  const std::string text = json.text() + "\n";
  write_file(folder / "annotations" / ("instances_" + split + ".json"), text.data(), text.size());
}

}  // namespace

void export_shapes(const fs::path& folder, const ShapesExport& options) {
  require<UsageError>(options.image_size >= 16 && options.image_size <= 4096,
                      "shapes-export: image_size is {}, expected 16 to 4096", options.image_size);
  require<UsageError>(options.jpeg_quality >= 1 && options.jpeg_quality <= 100,
                      "shapes-export: jpeg_quality is {}, expected 1 to 100", options.jpeg_quality);
  const std::string name = printable(folder.native());
  std::error_code error;
  require<DataError>(!fs::exists(folder, error) || fs::is_empty(folder, error),
                     "{}: exists and is not an empty folder; name a new one", name);
  encoded(Image(1, 1), name, options);  // a build that cannot leaves no folder behind
  const std::pair<const char*, int64_t> splits[] = {
      {"train", options.train}, {"val", options.val}, {"test", options.test}};
  fs::create_directories(folder / "annotations", error);
  for (const auto& [split, count] : splits) {
    require<UsageError>(count >= 0, "shapes-export: {} is {}, expected 0 or more", split, count);
    if (count > 0 && !error) {
      fs::create_directories(folder / split, error);
    }
    require<DataError>(!error, "{}: cannot make the folder: {}", name, error.message());
    if (count > 0) {
      export_split(folder, split, count, options);
    }
  }
}

}  // namespace mld
