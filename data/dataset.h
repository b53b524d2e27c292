// A labelled set of pictures: the common form of every data format.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/image.h"
#include "data/label_space.h"

namespace mld {

// One split of a data set. Immutable once open_dataset() has returned it; load() is called from
// many threads.
class Dataset {
 public:
  explicit Dataset(LabelSpace space) : space_(std::move(space)) {}
  virtual ~Dataset() = default;

  const LabelSpace& label_space() const { return space_; }
  const std::vector<std::string>& class_names() const { return space_.names; }
  void set_seen(std::vector<bool> seen) { space_.seen = std::move(seen); }
  void set_vectors(Tensor vectors) { space_.vectors = std::move(vectors); }

  virtual int64_t size() const = 0;
  // Sample i's labels by ascending column, valid as long as the data set. A class that is not
  // listed is what unlisted() says, whatever its column.
  virtual std::span<const LabelEntry> labels(int64_t i) const = 0;
  // Absent, unless nobody has looked for the classes that a picture does not list (Open Images).
  const LabelEntry& unlisted() const { return unlisted_; }
  void set_unlisted(const LabelEntry& entry) { unlisted_ = entry; }
  // The picture of sample i as stored. Errors: DataError naming the file.
  virtual Image load(int64_t i) const = 0;
  // A cheap check of sample i's picture: the file exists and is not empty. Errors: DataError.
  virtual void probe(int64_t i) const { static_cast<void>(i); }
  // Where sample i comes from: a path below the root, or "shapes:train:17", "data_batch_1.bin:42".
  virtual std::string source(int64_t i) const = 0;
  // The same for two samples, of any splits, only if they are one picture on disk.
  virtual std::string file(int64_t i) const { return source(i); }
  // Facts worth telling the user once ("4 pictures without labels dropped").
  const std::vector<std::string>& notes() const { return notes_; }
  void add_note(std::string note) { notes_.push_back(std::move(note)); }

  // Sample i's picture as stored, to find duplicates: its number of bytes (0 = unknown, or the
  // picture is drawn), and the bytes. Errors: stored(): DataError.
  virtual int64_t stored_bytes(int64_t) const { return 0; }
  virtual std::string stored(int64_t) const { return {}; }

 private:
  LabelSpace space_;
  LabelEntry unlisted_{.label = Label::absent};
  std::vector<std::string> notes_;
};

// Identifies a data set: the class names and every sample's source and labels, hashed (FNV-1a 64).
// A resumed run refuses data with a different fingerprint.
uint64_t fingerprint(const Dataset& data);

// Identifies the word vectors of a label space, which must have some.
uint64_t vectors_fingerprint(const LabelSpace& space);

// A hash of all picture files' sizes: a cheap sign that pictures were replaced (one replaced by a
// file of the same size goes unnoticed). Reads each file's directory entry only.
uint64_t sizes_fingerprint(const Dataset& data);

}  // namespace mld
