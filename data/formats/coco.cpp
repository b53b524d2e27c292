#include "data/formats/coco.h"

#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "data/formats/file_dataset.h"
#include "data/formats/format.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;

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
                       coco.name, position, annotation.image_id);
    const auto column = column_of_id.find(annotation.category_id);
    require<DataError>(column != column_of_id.end(),
                       "{}: annotations[{}] has category_id {}, which is not in categories",
                       coco.name, position, annotation.category_id);
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

namespace {

bool is_json(const fs::path& path) { return path.extension() == ".json"; }

// The annotation file of a split; `word` is the user's option.
fs::path annotation_file(const fs::path& root, const std::string& word, const std::string& split) {
  if (is_json(word)) {
    return root / word;  // an absolute word replaces the root
  }
  const fs::path folder = root / "annotations";
  if (!word.empty()) {
    const fs::path exact = folder / ("instances_" + word + ".json");
    return fs::exists(exact) || !fs::exists(folder / (word + ".json")) ? exact
                                                                       : folder / (word + ".json");
  }
  std::vector<fs::path> found;
  if (fs::is_directory(folder)) {
    for (const fs::path& path : sorted_entries(folder)) {
      const std::string stem = path.stem().string();
      if (is_json(path) && (stem.starts_with("instances_" + split) || stem == split)) {
        found.push_back(path);
      }
    }
  }
  for (const fs::path& path : {root / split / "_annotations.coco.json", root / (split + ".json")}) {
    if (fs::exists(path)) {
      found.push_back(path);
    }
  }
  require<DataError>(!found.empty(),
                     "{}: no COCO annotations for split '{}': looked for "
                     "annotations/instances_{}*.json; name the file in data.{}",
                     printable(root.native()), split, split, split);
  require<DataError>(found.size() == 1, "{}: several annotation files for split '{}', {} and {}; "
                     "name one in data.{}", printable(root.native()), split,
                     printable(found[0].filename().native()),
                     printable(found.back().filename().native()), split);
  return found[0];
}

// The folder that holds the pictures of annotation file `json`: the first of the usual places that
// has one of the first pictures, else the first that exists.
fs::path picture_folder(const fs::path& root, const fs::path& json, const CocoAnnotations& coco) {
  constexpr size_t kTried = 16;
  std::string split = json.stem().string();
  if (split.starts_with("instances_")) {
    split.erase(0, std::string("instances_").size());
  }
  const fs::path places[] = {root / split, root / "images" / split, root / "images",
                             json.parent_path(), root};
  const fs::path* first = nullptr;
  for (const fs::path& place : places) {
    std::error_code error;
    if (!fs::is_directory(place, error)) {
      continue;
    }
    first = first != nullptr ? first : &place;
    for (size_t i = 0; i < std::min(kTried, coco.images.size()); ++i) {
      if (fs::exists(place / coco.images[i].file_name, error)) {
        return place;
      }
    }
  }
  return *first;  // the root at least exists
}

// The columns in `classes` of the file's categories that occur. Errors: DataError for others.
std::vector<int32_t> category_columns(const CocoAnnotations& coco, const CocoIndex& index,
                                      const ClassList& classes) {
  std::vector<bool> used(coco.categories.size());
  for (const CocoIndex::Entry& entry : index.entries) {
    used[static_cast<size_t>(entry.column)] = true;
  }
  std::vector<int32_t> columns;
  std::vector<std::string> unknown;
  for (size_t i = 0; i < coco.categories.size(); ++i) {
    columns.push_back(classes.column(coco.categories[i].name));
    if (used[i] && columns.back() < 0) {
      unknown.push_back(coco.categories[i].name);
    }
  }
  require_known(unknown, classes, coco.name);
  return columns;
}

// The names of the categories, which must be a valid class list even where another one is used:
// labels are matched by name.
ClassList category_names(const CocoAnnotations& coco) {
  std::vector<std::string> names;
  for (const CocoAnnotations::Category& category : coco.categories) {
    names.push_back(category.name);
  }
  return ClassList({.names = std::move(names)}, coco.name);
}

bool is_coco(const DataOptions& options) {
  return is_json(options.train) || has_file(options.root / "annotations", ".json") ||
         has_file(options.root / "train", "_annotations.coco.json");
}

std::unique_ptr<Dataset> open_coco(const DataOptions& options, const std::string& split, Purpose) {
  const fs::path json = annotation_file(options.root, split_option(options, split), split);
  CocoAnnotations coco = read_coco(json);
  for (size_t i = 0; i < coco.images.size(); ++i) {
    safe_relative_path(coco.images[i].file_name, fmt::format("{}: images[{}]", coco.name, i));
  }
  CocoIndex index = index_coco(coco);
  coco.annotations.clear();
  coco.annotations.shrink_to_fit();
  const ClassList own = category_names(coco);
  const ClassList classes(options, own.names(), coco.name);
  const std::vector<int32_t> columns = category_columns(coco, index, classes);

  const fs::path folder = picture_folder(options.root, json, coco);
  SampleList samples(options.unlabelled, split_limit(options, split), coco.name);
  std::vector<LabelEntry> labels;
  size_t next = 0;
  for (size_t i = 0; i < index.order.size(); ++i) {
    labels.clear();
    for (; next < index.entries.size() && index.entries[next].image == static_cast<int32_t>(i);
         ++next) {
      const int32_t column = columns[static_cast<size_t>(index.entries[next].column)];
      labels.push_back({.column = column});
    }
    samples.add(std::move(coco.images[static_cast<size_t>(index.order[i])].file_name), labels);
  }
  samples.finish();
  return std::make_unique<FileDataset>(
      FileDataset::Place{folder, prefix_of(folder, options.root), true}, classes,
      std::move(samples));
}

}  // namespace

const DataFormat coco_format = {
    .name = "coco",
    .looks_like = "annotations/*.json",
    .splits = "an annotation file, or the word after instances_ in its name (train2014)",
    .detect = is_coco,
    .open = open_coco,
};

}  // namespace mld
