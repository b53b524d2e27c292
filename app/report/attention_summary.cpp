#include "app/report/attention_summary.h"

#include <algorithm>
#include <map>
#include <set>

#include "app/program.h"
#include "app/report/section.h"
#include "models/registry.h"
#include "train/finite.h"

namespace mld {
namespace {

constexpr size_t kMostClasses = 12;
constexpr size_t kPicturesOfClass = 2;

using OfClass = AttentionSummary::OfClass;

std::vector<OfClass> choose_classes(const ReportRun& run, const Dataset& val) {
  std::vector<OfClass> classes;
  if (!run.best) {
    for (const std::string& name : val.class_names()) {
      classes.push_back({.name = name});
    }
    return classes;
  }
  for (const KeptEvaluation::PerClass& one : run.best->classes) {
    if (one.ap) {
      classes.push_back({.name = one.name, .ap = one.ap});
    }
  }
  std::ranges::stable_sort(classes, {}, &OfClass::ap);
  if (classes.size() > kMostClasses) {
    classes.erase(classes.begin() + kMostClasses / 2, classes.end() - kMostClasses / 2);
  }
  return classes;
}

bool shows(std::span<const LabelEntry> labels, size_t column) {
  return std::ranges::any_of(labels, [&](const LabelEntry& entry) {
    return entry.label == Label::present && entry.column == static_cast<int32_t>(column);
  });
}

// Samples that show the class, far from each other, and not those in `used` if there are others.
std::vector<int64_t> choose_samples(const Dataset& val, const std::string& name,
                                    const std::set<int64_t>& used) {
  const auto& names = val.class_names();
  const auto column = static_cast<size_t>(std::ranges::find(names, name) - names.begin());
  std::vector<int64_t> showing, again, chosen;
  for (int64_t i = 0; i < val.size(); ++i) {
    if (shows(val.labels(i), column)) {
      (used.contains(i) ? again : showing).push_back(i);
    }
  }
  showing = showing.empty() ? again : showing;
  const size_t count = std::min(kPicturesOfClass, showing.size());
  for (size_t n = 0; n < count; ++n) {
    chosen.push_back(showing[(2 * n + 1) * showing.size() / (2 * count)]);
  }
  return chosen;
}

// Lets the model look at one picture after the other.
class Looker {
 public:
  Looker(const ReportRun& run, const Dataset& val)
      : val_(val), attention_(run.folder.root.native()),
        recognizer_(open_recognizer(command_for(run))),
        thresholds_(thresholds_of({}, *recognizer_)) {
    for (const std::string& name : val.class_names()) {
      columns_.emplace(name, columns_.size());
    }
  }

  int heads() const { return attention_.heads(); }

  // The sample, with the class's label, then others that it has.
  LabelledPicture look(int64_t sample, const std::string& first) {
    constexpr size_t kMostLabels = 4;
    constexpr int kSide = 224;
    const Image image = val_.load(sample);
    const std::vector<Prediction> predictions = score(image, val_.source(sample));
    LabelledPicture picture(val_.source(sample), reduced(image, kSide),
                            seen_part(image.width, image.height, recognizer_->preprocess()));
    const auto add = [&](const Prediction& p) {
      const LabelMap looked = attention_.map(*recognizer_, p.label->name, 0);
      picture.add(p, &looked);
    };
    const auto is_first = [&](const Prediction& p) { return p.label->name == first; };
    if (const auto found = std::ranges::find_if(predictions, is_first);
        found != predictions.end()) {
      add(*found);
    }
    for (const Prediction& p : predictions) {
      if (picture.labels.size() < kMostLabels && !is_first(p) && has(sample, p.label->name)) {
        add(p);
      }
    }
    return picture;
  }

 private:
  static PictureCommand command_for(const ReportRun& run) {
    PictureCommand command;
    command.checkpoint = run.folder.root.native();
    return command;
  }

  // Of all labels, the highest score first.
  std::vector<Prediction> score(const Image& image, const std::string& name) {
    const Image square = to_square(image, recognizer_->preprocess());
    Tensor pixels({1, square.height, square.width, 3}, DType::u8);
    std::ranges::copy(square.rgb, pixels.data<uint8_t>());
    const Tensor embedding = recognizer_->embed(pixels, attention_.tap());
    check_outputs(embedding.to_vector(), embedding.shape()[-1], [&](int64_t) { return name; });
    const auto all = std::ssize(recognizer_->labels());
    return choose(recognizer_->scores(embedding).to_vector(), recognizer_->labels(), thresholds_,
                  all);
  }

  bool has(int64_t sample, const std::string& name) const {
    const auto column = columns_.find(name);
    return column != columns_.end() && shows(val_.labels(sample), column->second);
  }

  const Dataset& val_;
  LabelAttention attention_;
  std::unique_ptr<Recognizer> recognizer_;
  std::vector<double> thresholds_;
  std::map<std::string, size_t> columns_;  // of val, by class
};

}  // namespace

std::optional<AttentionSummary> look_at_attention(const ReportRun& run, const Dataset& val,
                                                  std::vector<std::string>& gaps) try {
  if (head_row(run.config.config.model).attention_heads == 0) {
    return std::nullopt;
  }
  use_threads(run.config.config.threads);
  Looker looker(run, val);
  AttentionSummary summary{.heads = looker.heads(), .classes = {}};
  std::set<int64_t> used;
  for (OfClass& one : choose_classes(run, val)) {
    for (const int64_t sample : choose_samples(val, one.name, used)) {
      used.insert(sample);
      try {
        one.pictures.push_back(looker.look(sample, one.name));
      } catch (const DataError&) {  // left out, as the header says
      }
    }
    if (!one.pictures.empty()) {
      summary.classes.push_back(std::move(one));
    }
    if (summary.classes.size() == kMostClasses) {
      break;
    }
  }
  return summary;
} catch (const Error& error) {
  gaps.push_back(fmt::format("Nothing about attention: {}", error.what()));
  return std::nullopt;
}

}  // namespace mld
