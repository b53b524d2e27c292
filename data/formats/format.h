// The table of data formats: one row per format, which lives in a file of its own.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "data/formats/class_division.h"
#include "data/formats/open.h"

namespace mld {

struct DataFormat {
  std::string_view name;        // data.format's word
  std::string_view looks_like;  // what detect() looks for, for messages and --help-config
  std::string_view splits;      // what data.train, data.val and data.test name, for --help-config
  // Whether the data below options.root, a folder that is not empty, has this format. Null: a
  // format without files, which is never detected and needs no root.
  bool (*detect)(const DataOptions& options);
  // Opens a split; options.root must exist.
  std::unique_ptr<Dataset> (*open)(const DataOptions& options, const std::string& split, Purpose);
  // Its division into seen and unseen classes, if it has one, and its classes' word vectors,
  // f32 [names, D].
  ClassDivision (*division)(const DataOptions& options) = nullptr;
  Tensor (*vectors)(std::span<const std::string> names) = nullptr;
};

// THE TABLE. A format is a file that defines `const DataFormat <name>_format` and its row here.
// Detection asks in this order; folders of pictures come last, as other formats have those too.
#define DATA_FORMATS(row) \
  row(coco)               \
  row(voc)                \
  row(open_images)        \
  row(csv)                \
  row(jsonl)              \
  row(nus_wide)           \
  row(webdataset)         \
  row(cifar)              \
  row(text)               \
  row(folder)             \
  row(shapes)

#define DECLARE(name) extern const DataFormat name##_format;
DATA_FORMATS(DECLARE)
#undef DECLARE

std::span<const DataFormat* const> data_formats();

// The format that options.format names or, for "auto", that is detected from the files below
// options.root. Errors: UsageError for an unknown name, DataError if root is missing or no format
// is detected (says what was looked for).
const DataFormat& format_of(const DataOptions& options);

// For --help-config, a line per format: how it is recognised and what the split options name.
std::string data_format_help();

}  // namespace mld
