// A page of pictures and their labels: mlinfer predict --html (app/report/gallery.cpp).
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "app/cli.h"
#include "app/label_attention.h"
#include "app/picture_batches.h"
#include "app/predictions.h"

namespace mld {

// Keeps what fits into a page of 8 MB, and counts the rest.
class Gallery {
 public:
  virtual ~Gallery() = default;

  // At most how many pixels a side pictures are shown with; 0: no more fit.
  virtual int side() const = 0;
  // `small`: with side() pixels. maps: of the labels, or none.
  virtual void add(const std::filesystem::path& file, const std::optional<SmallPicture>& small,
                   const std::vector<Prediction>& labels, const std::vector<LabelMap>& maps) = 0;
  // Writes the page and says so on stderr.
  virtual void write(const std::vector<BadPicture>& unreadable) = 0;
};

// The page that the command asks for, of so many pictures; `heads` of the attention, 0: none. The
// recognizer must outlive it.
// Errors: UsageError for a page that would replace a folder or what the command reads; Error in a
// build without MLD_REPORT.
std::unique_ptr<Gallery> open_gallery(const PredictCommand& command, const Recognizer& recognizer,
                                      int64_t pictures, int heads);

}  // namespace mld
