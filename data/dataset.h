// A labelled set of pictures: what every data format is turned into.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/image.h"

namespace mld {

// A target value per class. `ignored` (VOC objects marked difficult) counts neither way in
// evaluation; training treats it as the data.difficult option says.
enum class Label : int8_t { ignored = -1, absent = 0, present = 1 };

// One split of a data set. Immutable after construction; load() is called from many threads.
class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual int64_t size() const = 0;
  // The classes in target order, UTF-8.
  virtual const std::vector<std::string>& class_names() const = 0;
  // The labels of sample i, one per class, valid as long as the data set.
  virtual std::span<const Label> labels(int64_t i) const = 0;
  // The picture of sample i as stored. Errors: DataError naming the file.
  virtual Image load(int64_t i) const = 0;
  // A cheap look at sample i's picture: is the file there and not empty? Errors: DataError.
  virtual void probe(int64_t i) const { static_cast<void>(i); }
  // Where sample i comes from: a path below the root, or "shapes:train:17", "data_batch_1.bin:42".
  virtual std::string source(int64_t i) const = 0;
  // Facts worth telling the user once ("4 pictures without labels dropped").
  virtual std::vector<std::string> notes() const { return {}; }
};

// Identifies a data set: the class names and every sample's source and labels, hashed (FNV-1a 64).
// A resumed run refuses data with another fingerprint.
uint64_t fingerprint(const Dataset& data);

}  // namespace mld
