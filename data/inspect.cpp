#include "data/inspect.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "data/label_statistics.h"
#include "data/loader.h"
#include "data/picture_files.h"
#include "data/text.h"

namespace mld {
namespace {

// State shared by the threads that check pictures.
struct Progress {
  std::atomic<int64_t> next{0};
  std::mutex mutex;  // guards the report and the exception
  std::exception_ptr error;
};

void note_facts(int64_t sample, const std::string& source, const PictureFacts& facts,
                DatasetReport& report) {
  if (!facts.damage.empty()) {
    report.damaged.add(sample, source + ": " + facts.damage);
  }
  if (facts.orientation != 1) {
    report.turned.add(sample, source);
  }
  if (facts.transparent) {
    report.transparent.add(sample, source);
  }
}

void look(const Dataset& data, DatasetReport& report, Progress& progress) {
  using Clock = std::chrono::steady_clock;
  for (int64_t i = progress.next++; i < data.size(); i = progress.next++) {
    try {
      const Clock::time_point begin = Clock::now();
      data.probe(i);
      Image image = report.decoded ? data.load(i) : Image();
      const std::chrono::duration<double> seconds = Clock::now() - begin;
      const std::scoped_lock lock(progress.mutex);
      report.decode_seconds += seconds.count();
      if (report.decoded) {
        const auto [low, high] = std::minmax(image.width, image.height);
        const int smallest = report.smallest_side;
        report.smallest_side = smallest == 0 ? low : std::min(smallest, low);
        report.largest_side = std::max(report.largest_side, high);
        note_facts(i, data.source(i), image.facts, report);
      }
    } catch (const DataError& error) {
      const std::scoped_lock lock(progress.mutex);
      report.bad.push_back({i, data.source(i), error.what()});
    } catch (...) {
      const std::scoped_lock lock(progress.mutex);
      progress.error = std::current_exception();
      progress.next = data.size();  // the other threads stop too
    }
  }
}

}  // namespace

double DatasetReport::labels_per_sample() const {
  int64_t sum = 0;
  for (const int64_t count : positives) {
    sum += count;
  }
  return samples > 0 ? static_cast<double>(sum) / static_cast<double>(samples) : 0;
}

std::vector<std::string> DatasetReport::picture_notes() const {
  const std::pair<const PictureCount*, const char*> counts[] = {
      {&turned, "turned by EXIF (data.exif = \"apply\" puts them upright)"},
      {&transparent, "with transparency (data.background is the colour under it)"},
      {&damaged, "damaged outside the pixels and used anyway"}};
  std::vector<std::string> notes;
  for (const auto& [pictures, what] : counts) {
    if (pictures->count > 0) {
      notes.push_back(fmt::format("{} {}, such as {}", counted(pictures->count, "picture"), what,
                                  printable(pictures->example)));
    }
  }
  return notes;
}

DatasetReport inspect(const Dataset& data, bool decode_all, int workers) {
  DatasetReport report;
  report.decoded = decode_all;
  LabelCounts labels = count_labels(data);
  report.samples = labels.pictures;
  report.class_names = data.class_names();
  report.positives = std::move(labels.present);
  report.unknown = std::move(labels.unknown);
  report.label_histogram = std::move(labels.labels_histogram);
  Progress progress;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < (workers > 0 ? workers : usable_processors()); ++i) {
      threads.emplace_back([&] { look(data, report, progress); });
    }
  }
  if (progress.error) {
    std::rethrow_exception(progress.error);
  }
  std::sort(report.bad.begin(), report.bad.end(),
            [](const BadPicture& a, const BadPicture& b) { return a.sample < b.sample; });
  return report;
}

std::vector<std::string> unused_pictures(const std::filesystem::path& root,
                                         std::span<const Dataset* const> splits) {
  std::unordered_set<std::string> used;
  for (const Dataset* split : splits) {
    for (int64_t i = 0; i < split->size(); ++i) {
      used.insert(split->file(i));
    }
  }
  std::error_code error;
  if (sorted_entries(root, error); error) {
    return {};  // it need not be listed to open what is in it
  }
  LeftOut left_out;
  std::vector<std::string> pictures = list_pictures(root, root, left_out);
  std::erase_if(pictures, [&](const std::string& picture) {
    return used.contains(normal_path(root / picture));
  });
  return pictures;
}

}  // namespace mld
