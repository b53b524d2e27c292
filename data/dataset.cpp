#include "data/dataset.h"

#include <bit>

#include "data/hash.h"

namespace mld {
uint64_t fingerprint(const Dataset& data) {
  Hash hash;
  hash.number(data.class_names().size());
  for (const std::string& name : data.class_names()) {
    hash.text(name);
  }
  if (const float weight = data.unlisted().effective_weight(); weight != 1) {
    hash.number(std::bit_cast<uint32_t>(weight));
  }
  hash.number(static_cast<uint64_t>(data.size()));
  for (int64_t i = 0; i < data.size(); ++i) {
    hash.text(data.source(i));
    for (const LabelEntry& entry : data.labels(i)) {
      hash.number(static_cast<uint64_t>(entry.column));
      hash.byte(static_cast<uint8_t>(entry.label));
      if (entry.weight != 1) {  // so that data without weights keeps its old fingerprint
        hash.number(std::bit_cast<uint32_t>(entry.weight));
      }
    }
  }
  return hash.value();
}

uint64_t vectors_fingerprint(const LabelSpace& space) {
  Hash hash;
  const auto* bytes = static_cast<const char*>(space.vectors.raw());
  hash.text({bytes, space.vectors.bytes()});
  return hash.value();
}

uint64_t sizes_fingerprint(const Dataset& data) {
  Hash hash;
  for (int64_t i = 0; i < data.size(); ++i) {
    hash.number(static_cast<uint64_t>(data.stored_bytes(i)));
  }
  return hash.value();
}

}  // namespace mld
