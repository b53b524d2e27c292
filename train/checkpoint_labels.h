// A checkpoint's label space beyond the names: which classes training showed, and word vectors.
#pragma once

#include <string>

#include "train/checkpoint.h"

namespace mld {

// The name of the tensor with the classes' word vectors, f32 [classes, D].
constexpr std::string_view kLabelVectors = "label_space.vectors";

// The metadata's "seen", if the info has marks.
void write_seen(const CheckpointInfo& info, Metadata& metadata);
// Reads them back into the info, whose task, names and model are known. Errors: DataError naming
// `file`: marks that are missing or malformed, not one per class, or that do not fit the model.
void read_seen(const Metadata& metadata, const std::string& file, CheckpointInfo& info);

// Reads the tensor, if the file has it. Errors: DataError naming the file: another type or shape;
// vectors that require_usable() refuses.
void read_label_vectors(const CheckpointFile& file, CheckpointInfo& info);

}  // namespace mld
