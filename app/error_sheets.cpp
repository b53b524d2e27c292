#include "app/error_sheets.h"

#include <algorithm>

#include "core/parallel.h"
#include "data/image_encode.h"
#include "data/image_ops.h"
#include "train/analysis/worst_errors.h"
#include "train/event_files.h"

namespace mld {
namespace {

constexpr int kClasses = 4, kColumns = 6, kSide = 80;
// Okabe and Ito's vermilion and blue, which the colour-blind tell apart.
constexpr Rgb kFalsePositive = {213, 94, 0}, kFalseNegative = {0, 114, 178};
constexpr Rgb kPaper = {128, 128, 128};

void fill(Image& sheet, const CropBox& box, const Rgb& colour) {
  for (int y = box.y; y < box.y + box.height; ++y) {
    for (int x = box.x; x < box.x + box.width; ++x) {
      std::ranges::copy(colour, sheet.pixel(x, y));
    }
  }
}

// Puts a picture into the middle of a square of `side` pixels at (left, top), with its proportions.
void place(const Image& picture, int side, int left, int top, Image& sheet) {
  const int longer = std::max(picture.width, picture.height);
  const int width = std::max(1, picture.width * side / longer);
  const int height = std::max(1, picture.height * side / longer);
  const Image small = resize(picture, width, height, Interpolation::bilinear);
  for (int y = 0; y < height; ++y) {
    std::copy_n(small.pixel(0, y), width * 3,
                sheet.pixel(left + (side - width) / 2, top + (side - height) / 2 + y));
  }
}

// The worst classes' columns, with their errors.
std::vector<std::pair<size_t, WorstErrors>> errors_of(const Evaluation& evaluation) {
  const Predictions predictions = evaluation.scores->predictions();
  const FoundClasses found(predictions, evaluation.thresholds(), evaluation.single_label);
  std::vector<ClassAp> aps;
  for (const ClassMetrics& one : evaluation.classes) {
    aps.push_back({one.positives, one.ap});
  }
  std::vector<std::pair<size_t, WorstErrors>> errors;
  worst_classes(aps, kClasses, [&](size_t k) {
    const auto column = static_cast<int64_t>(k);
    WorstErrors worst = worst_errors(ranking_of(predictions, column, Unknown::skip), column,
                                     found, kColumns);
    const bool any = worst.any();
    if (any) {
      errors.emplace_back(k, std::move(worst));
    }
    return any;
  });
  return errors;
}

// The pictures of some rows of the scores; one that cannot be read has no pixels.
std::vector<Image> load(const Dataset& data, const Scores& scores,
                        const std::vector<ScoredSample>& samples) {
  std::vector<Image> pictures(samples.size());
  parallel_for(std::ssize(samples), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      try {
        const int64_t sample = scores.indices[static_cast<size_t>(samples[i].sample)];
        pictures[i] = reduced(data.load(sample), kSide);  // a photograph takes 200 MB
      } catch (const DataError&) {  // validation has told of it
      }
    }
  });
  return pictures;
}

class ErrorSheetSink : public LogSink {
 public:
  ErrorSheetSink(RunLog& log, const Dataset& val, TimeShare& time)
      : log_(log), val_(val), time_(time) {}

  void epoch(const EpochReport& report) override {
    if (report.improved && report.better()->scores && time_.allows(report.step)) {
      time_.spend([&] { show(*report.better()); });
    }
  }

 private:
  void show(const Evaluation& evaluation) try {
    const Scores& scores = *evaluation.scores;
    for (const auto& [k, worst] : errors_of(evaluation)) {
      const SheetRow rows[] = {{load(val_, scores, worst.false_positives), kFalsePositive},
                               {load(val_, scores, worst.false_negatives), kFalseNegative}};
      log_.picture("worst_errors/" + evaluation.classes[k].name,
                   encode_png(contact_sheet(rows, kColumns, kSide), "worst errors"));
    }
  } catch (const Error& error) {
    problem_ = fmt::format("a picture of the worst errors: {}", error.what());
  }

  RunLog& log_;
  const Dataset& val_;
  TimeShare& time_;
};

// Whether this build can write PNG files.
bool can_encode() {
  try {
    return !encode_png(Image(1, 1), "worst errors").empty();
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

Image contact_sheet(std::span<const SheetRow> rows, int columns, int side) {
  constexpr int kFrame = 3, kGap = 3;
  const int cell = side + 2 * kFrame, step = cell + kGap;
  Image sheet(columns * step + kGap, static_cast<int>(rows.size()) * step + kGap);
  fill(sheet, {0, 0, sheet.width, sheet.height}, kPaper);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < rows[r].pictures.size() && c < static_cast<size_t>(columns); ++c) {
      const Image& picture = rows[r].pictures[c];
      const int left = kGap + static_cast<int>(c) * step, top = kGap + static_cast<int>(r) * step;
      if (picture.width > 0) {
        fill(sheet, {left, top, cell, cell}, rows[r].frame);
        fill(sheet, {left + kFrame, top + kFrame, side, side}, kPaper);
        place(picture, side, left + kFrame, top + kFrame, sheet);
      }
    }
  }
  return sheet;
}

void add_error_sheets(RunLog& log, const Config& config, const Splits& splits, TimeShare& time) {
  if (writes_event_files(config.log) && can_encode()) {
    log.add(std::make_unique<ErrorSheetSink>(log, *splits.val, time));
  }
}

}  // namespace mld
