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

// Class a is seen in training, b is what evaluation asks for; every picture has both.
inline void write_tiny_nus_wide(const TemporaryFolder& folder, const std::string& root) {
  std::string rows = "filepath,labels,split_name\n";
  for (const auto& [split, count] : kTinySplits) {
    for (int i = 0; i < count; ++i) {
      const std::string name = fmt::format("{}_{}.ppm", split, i);
      folder.write_picture(fmt::format("{}/{}", root, name), 30 * i);
      rows += fmt::format("{},\"[a, b]\",{}\n", name, split);
    }
  }
  folder.write(root + "/data.csv", rows);
  folder.write(root + "/benchmark.json", R"({"test class": ["b"]})");
}

// As Hugging Face lays out a folder of pictures: a list in each split's folder.
inline void write_tiny_jsonl(const TemporaryFolder& folder, const std::string& root) {
  for (const auto& [split, count] : kTinySplits) {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      folder.write_picture(fmt::format("{}/{}/{}.ppm", root, split, i), 30 * i);
      lines += fmt::format("{{\"file_name\": \"{}.ppm\", \"label\": [\"{}\"]}}\n", i,
                           tiny_class(i));
    }
    folder.write(fmt::format("{}/{}/metadata.jsonl", root, split), lines);
  }
}

// Also shows that pictures which are not there, and labels that are not trainable, are left out.
inline void write_tiny_open_images(const TemporaryFolder& folder, const std::string& root) {
  folder.write(root + "/class-descriptions.csv", "/m/0a,a\n/m/0b,b\n/m/0c,c\n");
  folder.write(root + "/classes-trainable.txt", "/m/0a\n/m/0b\n");
  for (const auto& [split, count] : kTinySplits) {
    const std::string name = std::string_view(split) == "val" ? "validation" : split;
    std::string rows = "ImageID,Source,LabelName,Confidence\nelsewhere,verification,/m/0a,1\n";
    for (int i = 0; i < count; ++i) {
      folder.write_picture(fmt::format("{}/{}/{:016x}.ppm", root, name, i), 30 * i);
      rows += fmt::format("{0:016x},verification,/m/0{1},1\n{0:016x},verification,/m/0{2},0\n"
                          "{0:016x},crowdsource-verification,/m/0c,1\n",
                          i, tiny_class(i), tiny_class(i + 1));
    }
    folder.write(fmt::format("{}/{}-annotations-human-imagelabels.csv", root, name), rows);
  }
}

// A regular file as a member of a tar archive, in POSIX's ustar form.
inline std::string tar_member(const std::string& name, const std::string& content,
                              char type = '0') {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(100, 7, "0000644");
  const std::string size = fmt::format("{:011o}", content.size());
  header.replace(124, size.size(), size);
  header.replace(148, 8, "        ");
  header[156] = type;
  header.replace(257, 8, std::string("ustar\0" "00", 8));
  int sum = 0;
  for (const char c : header) {
    sum += static_cast<unsigned char>(c);
  }
  header.replace(148, 7, fmt::format("{:06o}", sum) + '\0');
  return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

inline std::string tiny_ppm(int grey) {
  return "P6\n4 3\n255\n" + std::string(36, static_cast<char>(grey));
}

inline void write_tiny_webdataset(const TemporaryFolder& folder, const std::string& root) {
  folder.write(root + "/classnames.txt", "a\nb\n");
  for (const auto& [split, count] : kTinySplits) {
    std::string shards[2];
    for (int i = 0; i < count; ++i) {
      const std::string key = fmt::format("{:04}", i);
      std::string& shard = shards[i * 2 / count];
      shard += tar_member(key + ".cls", fmt::format("{}\n", i % 2));
      shard += tar_member(key + ".ppm", tiny_ppm(30 * i));
    }
    for (int i = 0; i < 2; ++i) {
      folder.write(fmt::format("{}/{}-{:06}.tar", root, split, i),
                   shards[i] + std::string(1024, '\0'));
    }
  }
}

inline void write_tiny_text(const TemporaryFolder& folder, const std::string& root) {
  folder.write(root + "/classnames.txt", "a\nb\n");
  for (const auto& [split, count] : kTinySplits) {
    for (int i = 0; i < count; ++i) {
      folder.write_picture(fmt::format("{}/images/{}/{}.ppm", root, split, i), 30 * i);
      folder.write(fmt::format("{}/labels/{}/{}.txt", root, split, i),
                   tiny_class(i) + std::string("\n"));
    }
  }
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
