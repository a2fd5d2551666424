// The input files of ADBench (github.com/microsoft/ADBench, data/): decimal text in white space, read into tensors of f64.
//
// Refuses files that end early, that hold something other than numbers, or whose counts are no counts: the error names the file.
#pragma once

#include <string>

#include "tenon/examples/adbench/gmm.h"
#include "tenon/examples/adbench/lstm.h"

namespace adbench {

// Where the files are unless somebody says otherwise: shared/data/adbench beside the checkout.
std::string default_folder();

struct GmmFile {
  GmmParams params;
  GmmData data;
};
GmmFile read_gmm(const std::string& path);

struct LstmFile {
  LstmParams params;
  LstmData data;
};
LstmFile read_lstm(const std::string& path);

}  // namespace adbench
