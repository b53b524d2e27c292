// Fuzz target: a tar archive's members lie inside it, or there is a DataError; the same as a shard.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "core/error.h"
#include "data/formats/tar.h"
#include "data/formats/webdataset.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto inside = [&](int64_t offset, int64_t bytes) {
    return offset >= 0 && bytes >= 0 && static_cast<uint64_t>(offset) <= size &&
           static_cast<uint64_t>(bytes) <= size - static_cast<uint64_t>(offset);
  };
  try {
    for (const mld::TarMember& member : mld::index_tar({data, size}, "fuzz").files) {
      if (!inside(member.offset, member.size)) {
        std::abort();
      }
    }
    mld::Shards shards;
    mld::read_shard({data, size}, "fuzz", 0, shards);
    for (const mld::ShardSample& sample : shards.samples) {
      if (!sample.has_picture || !inside(sample.picture.offset, sample.picture.size)) {
        std::abort();
      }
      for (const std::string& label : sample.labels) {
        if (label.empty() || !shards.labels.contains(label)) {
          std::abort();
        }
      }
    }
  } catch (const mld::DataError&) {
  }
  return 0;
}
