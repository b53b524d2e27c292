// WebDataset: shards, tar archives in which the files of a sample lie together and differ in their
// endings: 1.jpg, 1.cls (a label), 1.labels (one a line), 1.json (an object, see JsonLabelReader).
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "data/formats/json_labels.h"

namespace mld {

// A picture in a shard.
struct ShardPlace {
  int32_t shard = 0;
  int64_t offset = 0, size = 0;
};

struct ShardSample {
  std::string key;  // what its files' names have in common: "a/0001"
  ShardPlace picture;
  std::vector<std::string> labels, unknown;
  bool has_picture = false;
};

// What a split's shards hold.
struct Shards {
  std::vector<ShardSample> samples;
  std::set<std::string> labels;  // all that occur
  bool numbers = true;           // all of them are whole numbers
  int64_t without_picture = 0;   // samples
  int64_t skipped = 0;           // links and devices
  JsonLabelReader json{};
};

// Adds a shard's samples. Other files of a sample are ignored. `name` starts messages.
// Errors: DataError as index_tar's; for a sample whose files do not lie together, that has two
// pictures, several labels in a .cls file, or labels that cannot be read.
void read_shard(std::span<const uint8_t> tar, const std::string& name, int32_t number,
                Shards& shards);

}  // namespace mld
