#include "data/formats/coco.h"

#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "data/picture_files.h"

namespace mld {

CocoIndex index_coco(const CocoAnnotations& coco) {
  std::unordered_map<int64_t, int32_t> image_of_id, column_of_id;
  for (size_t i = 0; i < coco.images.size(); ++i) {
    image_of_id.emplace(coco.images[i].id, static_cast<int32_t>(i));
  }
  for (size_t i = 0; i < coco.categories.size(); ++i) {
    column_of_id.emplace(coco.categories[i].id, static_cast<int32_t>(i));
  }
  CocoIndex index;
  std::vector<int32_t> sample_of_image(coco.images.size(), -1);
  index.entries.reserve(coco.annotations.size());
  int64_t position = 0;
  for (const CocoAnnotations::Annotation& annotation : coco.annotations) {
    const auto image = image_of_id.find(annotation.image_id);
    require<DataError>(image != image_of_id.end(),
                       "{}: annotations[{}] belongs to image_id {}, which is not in images",
                       coco.name, position, coco.id_text(annotation.image_id));
    const auto column = column_of_id.find(annotation.category_id);
    require<DataError>(column != column_of_id.end(),
                       "{}: annotations[{}] has category_id {}, which is not in categories",
                       coco.name, position, coco.id_text(annotation.category_id));
    int32_t& sample = sample_of_image[static_cast<size_t>(image->second)];
    if (sample < 0) {
      sample = static_cast<int32_t>(index.order.size());
      index.order.push_back(image->second);
    }
    index.entries.push_back({sample, column->second, annotation.size_row});
    ++position;
  }
  index.annotated = static_cast<int64_t>(index.order.size());
  for (size_t i = 0; i < sample_of_image.size(); ++i) {
    if (sample_of_image[i] < 0) {
      index.order.push_back(static_cast<int32_t>(i));
    }
  }
  std::sort(index.entries.begin(), index.entries.end());
  return index;
}

CocoSizeTargets coco_size_targets(const CocoAnnotations& coco, int64_t classes) {
  constexpr int64_t kMostBytes = int64_t{4} << 30;
  const CocoIndex index = index_coco(coco);
  CocoSizeTargets result;
  const int64_t categories = static_cast<int64_t>(coco.categories.size());
  require<DataError>(classes == 0 || categories <= classes,
                     "{}: {} categories, expected at most {}", coco.name, categories, classes);
  result.classes = classes == 0 ? categories : classes;
  require<DataError>(index.annotated * 3 <= kMostBytes / std::max<int64_t>(result.classes, 1),
                     "{}: size targets of {} images x 3 x {} categories need more than 4 GiB",
                     coco.name, index.annotated, result.classes);
  result.targets.assign(static_cast<size_t>(index.annotated * 3 * result.classes), 0);
  for (int64_t i = 0; i < index.annotated; ++i) {
    const int32_t image = index.order[static_cast<size_t>(i)];
    result.image_ids.push_back(coco.images[static_cast<size_t>(image)].id);
  }
  for (const CocoIndex::Entry& entry : index.entries) {
    const int64_t row = int64_t{entry.image} * 3 + entry.size_row;
    result.targets[static_cast<size_t>(row * result.classes + entry.column)] = 1;
  }
  return result;
}

std::string_view other_json_program(const std::function<bool(std::string_view)>& has_key) {
  return has_key("classes") && has_key("labels")     ? "FiftyOne"
         : has_key("shapes") && has_key("imagePath") ? "LabelMe"
         : has_key("_via_img_metadata")              ? "VIA"
         : has_key("assets") && has_key("tags")      ? "VoTT"
                                                     : "";
}

int64_t merge_same_files(CocoAnnotations& coco) {
  std::unordered_map<std::string, int64_t> id_of_file;
  std::unordered_map<int64_t, int64_t> first_id;
  id_of_file.reserve(coco.images.size());
  std::erase_if(coco.images, [&](const CocoAnnotations::Image& image) {
    const auto [entry, is_new] = id_of_file.emplace(normal_path(image.file_name), image.id);
    if (!is_new) {
      first_id.emplace(image.id, entry->second);
    }
    return !is_new;
  });
  if (!first_id.empty()) {
    for (CocoAnnotations::Annotation& annotation : coco.annotations) {
      const auto other = first_id.find(annotation.image_id);
      annotation.image_id = other == first_id.end() ? annotation.image_id : other->second;
    }
  }
  return static_cast<int64_t>(first_id.size());
}

}  // namespace mld
