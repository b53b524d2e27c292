#include "train/checkpoint_labels.h"

#include <algorithm>

#include "data/json_writer.h"
#include "data/text.h"
#include "data/word_vectors.h"
#include "train/checkpoint_json.h"

namespace mld {

static constexpr const char* kSeen = "seen";

LabelSpace CheckpointInfo::label_space() const {
  LabelSpace space{.names = class_names, .seen = seen, .vectors = {}};
  if (!vectors.empty()) {
    const auto K = static_cast<int64_t>(class_names.size());
    space.vectors = Tensor::from({K, static_cast<int64_t>(vectors.size()) / K}, vectors);
  }
  return space;
}

void CheckpointInfo::set_label_space(const LabelSpace& space, bool with_vectors) {
  class_names = space.names;
  seen = task == Task::zero_shot ? space.seen : std::vector<bool>();
  vectors = with_vectors && space.vectors.defined() ? space.vectors.to_vector()
                                                    : std::vector<float>();
}

void write_seen(const CheckpointInfo& info, Metadata& metadata) {
  if (!info.seen.empty()) {
    const std::vector<int> marks(info.seen.begin(), info.seen.end());
    metadata[kSeen] = JsonWriter().values(marks).text();
  }
}

void read_seen(const Metadata& metadata, const std::string& file, CheckpointInfo& info) {
  const bool zero_shot = info.task == Task::zero_shot;
  require<DataError>(metadata.contains(kSeen) == zero_shot,
                     "{}: its metadata {} \"{}\", but its task is {}", file,
                     zero_shot ? "lack" : "have", kSeen, word(info.task));
  const size_t classes = info.class_names.size();
  int64_t outputs = static_cast<int64_t>(classes);
  if (zero_shot) {
    const auto marks = parse_array<double>(metadata.at(kSeen), file, kSeen);
    require<DataError>(marks.size() == classes, "{}: {} marks in \"{}\" for {} classes", file,
                       marks.size(), kSeen, classes);
    for (const double mark : marks) {
      require<DataError>(mark == 0 || mark == 1, "{}: metadata \"{}\" has {}, expected 0 or 1",
                         file, kSeen, mark);
      info.seen.push_back(mark == 1);
    }
    outputs = std::ranges::count(info.seen, true);
    require_distinct_words(info.class_names, file);
  }
  require<DataError>(outputs == info.model.classes, "{}: {} {} for a model of {} classes", file,
                     outputs, zero_shot ? "seen classes" : "class names", info.model.classes);
}

void read_label_vectors(const CheckpointFile& file, CheckpointInfo& info) {
  const SafeTensor* stored = file.label_vectors();
  if (stored == nullptr) {
    require<DataError>(info.model.word_dim == 0, "{}: tensor {} is missing: the model knows its "
                       "classes by word vectors", file.path(), kLabelVectors);
    return;
  }
  const auto K = static_cast<int64_t>(info.class_names.size());
  const bool fits = stored->dtype == "F32" && stored->shape.size() == 2 && K > 0 &&
                    stored->shape[0] == K && stored->shape[1] > 0 &&
                    stored->shape[1] == info.model.word_dim;
  require<DataError>(fits, "{}: tensor {} has type {} and {} dimensions, expected F32 [{}, {}]: "
                     "a word vector per class", file.path(), kLabelVectors,
                     printable(stored->dtype), stored->shape.size(), K, info.model.word_dim);
  const Tensor vectors = stored->to_tensor();
  require_usable(info.class_names, vectors, file.path());
  info.vectors = vectors.to_vector();
}

}  // namespace mld
