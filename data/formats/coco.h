// MS-COCO annotation files (instances_*.json), read as a stream: a 250 MB file in 31 MB of memory.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mld {

// The content of an annotation file that image-level labels need; boxes and polygons are skipped.
struct CocoAnnotations {
  struct Image {
    int64_t id = 0;
    std::string file_name;
  };
  struct Annotation {
    int64_t image_id = 0, category_id = 0;
    int8_t size_row = 2;  // 0: area < 32^2, 1: < 96^2, 2: the rest and annotations without area
  };
  struct Category {
    int64_t id = 0;
    std::string name;
  };
  // Ids may be texts in the file; these get numbers below all numeric ids.
  static constexpr int64_t kFirstText = std::numeric_limits<int64_t>::min();
  static constexpr int64_t kLeastId = kFirstText + (int64_t{1} << 40);
  static std::optional<int64_t> id_of_number(std::string_view text);  // 7, or 7.0 from pandas
  int64_t id_of(std::string_view text);                               // "7" is 7
  std::string id_text(int64_t id) const;                              // for messages

  std::string name;  // of the file, for messages
  std::deque<Image> images;
  std::deque<Annotation> annotations;  // crowd regions included
  std::vector<Category> categories;    // a category's column is its place in this list

 private:
  std::vector<std::string> texts_;  // the ids that are not numbers
  std::unordered_map<std::string, int64_t> text_numbers_;
};

// Errors: DataError with the byte offset for malformed JSON, a missing or mistyped id, file_name,
// image_id, category_id or name, a repeated image or category id, or a missing section.
// Ids may be 7, 7.0, "7" or "frame_7". Other keys are ignored, whatever their values, even NaN and
// Infinity; a UTF-8 byte order mark is skipped.
CocoAnnotations read_coco(const std::filesystem::path& path);
CocoAnnotations read_coco(std::span<const uint8_t> json, const std::string& name);

// The annotation program whose own JSON has such keys; "" if none that is known.
std::string_view other_json_program(const std::function<bool(std::string_view)>& has_key);

// Drops images whose file an earlier one has, and gives it their annotations; returns how many.
int64_t merge_same_files(CocoAnnotations& coco);

// Which image has which category; images are in the order of their first annotation (the published
// loader's order), then those without annotations in file order.
struct CocoIndex {
  struct Entry {
    int32_t image = 0;   // place in images
    int32_t column = 0;  // place in categories
    int8_t size_row = 0;
    auto operator<=>(const Entry&) const = default;
  };
  std::vector<int32_t> order;   // [images]: place in `images` of the i-th sample
  int64_t annotated = 0;        // samples with annotations, which come first
  std::vector<Entry> entries;   // sorted by sample; `image` is the sample's place in `order`
};
// Errors: DataError for an annotation of an unknown image or category.
CocoIndex index_coco(const CocoAnnotations& coco);

// The published loader's targets: a row of labels per object size.
struct CocoSizeTargets {
  std::vector<int64_t> image_ids;  // [N], images with annotations in order of first appearance
  int64_t classes = 0;             // K
  std::vector<uint8_t> targets;    // [N, 3, K] 0 / 1; row 0: area < 32^2, 1: < 96^2, 2: the rest
};
// classes 0 = one per category; more = columns of zeros follow (the published loader always has
// 80). Errors: DataError as index_coco's, or for more categories than classes.
CocoSizeTargets coco_size_targets(const CocoAnnotations& coco, int64_t classes = 0);

}  // namespace mld
