#include "train/event_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "data/file.h"
#include "data/text.h"
#include "train/event_records.h"
#include "train/events.pb.h"
#include "train/log_scalars.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

// The files of all sessions, oldest first.
std::vector<fs::path> event_files(const RunFolder& folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder.root)) {
    if (RunFolder::session_of(entry.path()) > 0) {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

void set_curve(const ThresholdCurve& curve, events::Summary::Value& to) {
  const size_t thresholds = curve.true_positives.size();
  to.set_tag(curve.name.empty() ? "pr_curve/micro_average"
                                : "pr_curve_of_class/" + printable(curve.name));
  events::PrCurvePluginData plugin;
  plugin.set_num_thresholds(static_cast<uint32_t>(thresholds));
  to.mutable_metadata()->set_data_class(events::Metadata::TENSOR);
  to.mutable_metadata()->mutable_plugin_data()->set_plugin_name("pr_curves");
  to.mutable_metadata()->mutable_plugin_data()->set_content(plugin.SerializeAsString());
  events::Tensor& tensor = *to.mutable_tensor();
  tensor.set_dtype(events::Tensor::FLOAT);
  tensor.mutable_tensor_shape()->add_dim()->set_size(6);
  tensor.mutable_tensor_shape()->add_dim()->set_size(static_cast<int64_t>(thresholds));
  const auto row = [&](auto&& value) {
    for (size_t i = 0; i < thresholds; ++i) {
      tensor.add_float_val(static_cast<float>(value(i)));
    }
  };
  row([&](size_t i) { return curve.true_positives[i]; });
  row([&](size_t i) { return curve.false_positives[i]; });
  row([&](size_t i) { return curve.negatives - curve.false_positives[i]; });
  row([&](size_t i) { return curve.positives - curve.true_positives[i]; });
  row([&](size_t i) { return curve.precision(i); });
  row([&](size_t i) { return curve.recall(i); });
}

// The size and colours that a PNG's first chunk, IHDR, says.
void set_header(std::span<const uint8_t> png, events::Summary::Image& to) {
  constexpr uint8_t kStart[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13,
                                'I',  'H', 'D', 'R'};
  require(png.size() > 25 && std::ranges::equal(png.first(sizeof(kStart)), kStart),
          "event file: a picture must be a PNG");
  const auto number = [&](size_t at) {
    return png[at] << 24 | png[at + 1] << 16 | png[at + 2] << 8 | png[at + 3];
  };
  to.set_width(number(16));
  to.set_height(number(20));
  const uint8_t colours = png[25];  // 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA
  to.set_colorspace(colours == 0 ? 1 : colours == 4 ? 2 : colours == 6 ? 4 : 3);
}

class EventSink : public LogSink {
 public:
  EventSink(const fs::path& path, int64_t step)
      : path_(path),
        file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666)) {
    require<DataError>(file_.open(), "{}: cannot open for writing: {}", path.string(),
                       std::strerror(errno));
    events::Event version;
    version.set_file_version("brain.Event:2");
    append(0, version);
    events::Event start;  // a TensorBoard that is open has read events that are cut off by now
    start.mutable_session_log()->set_status(events::SessionLog::START);
    append(step + 1, start);
  }
  void step(const StepReport& report) override {
    if (report.kept) {
      events::Event event;
      add(scalars_of(report), event);
      append(report.step, event);
    }
  }
  void epoch(const EpochReport& report) override {
    events::Event event;
    add(scalars_of(report), event);
    if (const Evaluation* better = report.better(); better != nullptr) {
      for (const ThresholdCurve& curve : better->curves) {
        set_curve(curve, *event.mutable_summary()->add_value());
      }
    }
    append(report.step, event);
  }
  void picture(const PictureReport& report) override {
    events::Event event;
    events::Summary::Value& value = *event.mutable_summary()->add_value();
    value.set_tag(printable(report.tag));
    set_header(report.png, *value.mutable_image());
    value.mutable_image()->set_encoded_image_string(report.png.data(), report.png.size());
    append(report.step, event);
  }

 private:
  static void add(const Scalars& scalars, events::Event& event) {
    for (const auto& [tag, number] : scalars) {
      events::Summary::Value& value = *event.mutable_summary()->add_value();
      value.set_tag(tag);
      value.set_simple_value(static_cast<float>(number));
    }
  }
  void append(int64_t step, events::Event& event) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    event.set_wall_time(std::chrono::duration<double>(now).count());
    event.set_step(step);
    if (!append_record(file_, record_of(event.SerializeAsString()))) {
      problem_ = fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno));
    }
  }

  fs::path path_;
  FileDescriptor file_;
};

// The bytes of a file before the first event beyond `step` or damaged record.
size_t kept_bytes(const fs::path& path, int64_t step) {
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()),
                              file.bytes().size());
  size_t kept = 0;
  for (size_t at = 0; const auto record = next_record(text, at); kept = at) {
    events::Event event;
    if (!event.ParseFromArray(record->data(), static_cast<int>(record->size())) ||
        (event.has_summary() && event.step() > step)) {
      break;
    }
  }
  return kept;
}

}  // namespace

bool can_write_event_files() { return true; }

std::unique_ptr<LogSink> event_sink(const RunFolder& folder, int64_t step) {
  const std::vector<fs::path> earlier = event_files(folder);
  const int64_t last = earlier.empty() ? 0 : RunFolder::session_of(earlier.back());
  return std::make_unique<EventSink>(folder.event_file(last + 1), step);
}

void cut_event_files(const RunFolder& folder, int64_t step) {
  for (const fs::path& path : event_files(folder)) {
    const size_t kept = kept_bytes(path, step);
    const bool cut = kept == fs::file_size(path) ||
                     ::truncate(path.c_str(), static_cast<off_t>(kept)) == 0;
    require<DataError>(cut, "{}: cannot be cut back to the last save: {}", path.string(),
                       std::strerror(errno));
  }
}

}  // namespace mld
