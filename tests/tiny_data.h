// A tiny data set in every format: two classes, six pictures to train on, four to validate on, two
// to test with.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "tests/data_files.h"

namespace mld::test {

constexpr std::pair<const char*, int> kTinySplits[] = {{"train", 6}, {"val", 4}, {"test", 2}};
inline const char* tiny_class(int i) { return i % 2 == 0 ? "a" : "b"; }

inline void write_tiny_coco(const TemporaryFolder& folder, const std::string& root) {
  int id = 1;
  for (const auto& [split, count] : kTinySplits) {
    std::string images, annotations;
    for (int i = 0; i < count; ++i, ++id) {
      const char* comma = i > 0 ? "," : "";
      folder.write_picture(fmt::format("{}/{}/{}.ppm", root, split, id), 20 * id);
      images += fmt::format(R"({}{{"id":{},"file_name":"{}.ppm"}})", comma, id, id);
      annotations += fmt::format(R"({}{{"image_id":{},"category_id":{}}})", comma, id, 1 + i % 2);
    }
    folder.write(fmt::format("{}/annotations/instances_{}.json", root, split),
                 fmt::format(R"({{"images":[{}],"annotations":[{}],"categories":)"
                             R"([{{"id":1,"name":"a"}},{{"id":2,"name":"b"}}]}})",
                             images, annotations));
  }
}

inline void write_tiny_voc(const TemporaryFolder& folder, const std::string& root) {
  for (const auto& [split, count] : kTinySplits) {
    std::string list;
    for (int i = 0; i < count; ++i) {
      const std::string id = fmt::format("{}_{}", split, i);
      folder.write_picture(fmt::format("{}/JPEGImages/{}.jpg", root, id), 30 * i);
      folder.write(fmt::format("{}/Annotations/{}.xml", root, id),
                   fmt::format("<annotation><object><name>{}</name></object></annotation>",
                               tiny_class(i)));
      list += id + "\n";
    }
    folder.write(fmt::format("{}/ImageSets/Main/{}.txt", root, split), list);
  }
}

inline void write_tiny_csv(const TemporaryFolder& folder, const std::string& root) {
  std::string rows = "path,labels,split\n";
  for (const auto& [split, count] : kTinySplits) {
    for (int i = 0; i < count; ++i) {
      const std::string name = fmt::format("{}_{}.ppm", split, i);
      folder.write_picture(fmt::format("{}/{}", root, name), 30 * i);
      rows += fmt::format("{},\"['{}']\",{}\n", name, tiny_class(i), split);
    }
  }
  folder.write(root + "/data.csv", rows);
}

inline void write_tiny_folder(const TemporaryFolder& folder, const std::string& root) {
  for (const auto& [split, count] : kTinySplits) {
    for (int i = 0; i < count; ++i) {
      folder.write_picture(fmt::format("{}/{}/{}/{}.ppm", root, split, tiny_class(i), i), 30 * i);
    }
  }
}

// CIFAR has no validation split of its own: val and test are the same file unless named.
inline void write_tiny_cifar(const TemporaryFolder& folder, const std::string& root) {
  folder.write(root + "/batches.meta.txt", "a\nb\n");
  const std::pair<const char*, int> files[] = {
      {"data_batch_1.bin", 6}, {"test_batch.bin", 4}, {"small.bin", 2}};
  for (const auto& [name, count] : files) {
    std::string bytes;
    for (int i = 0; i < count; ++i) {
      bytes += static_cast<char>(i % 2);
      bytes += std::string(3072, static_cast<char>(30 * i));
    }
    folder.write(root + "/" + name, bytes);
  }
}

}  // namespace mld::test
