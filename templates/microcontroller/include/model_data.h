// Where the program lies in memory: in the array of model_pte.h, or, with EDGEC_MODEL_IN_SECTION, in the section
// .edgec_model that src/model_pte.S fills from model.pte itself and a linker script may place.

#pragma once

#include <cstddef>
#include <cstdint>

#ifdef EDGEC_MODEL_IN_SECTION

extern "C" const uint8_t edgec_model_pte[];
extern "C" const uint8_t edgec_model_pte_end[];

inline const uint8_t* edgec_model_begin() {
  return edgec_model_pte;
}
inline size_t edgec_model_bytes() {
  return static_cast<size_t>(edgec_model_pte_end - edgec_model_pte);
}

#else

#include "model_pte.h"

inline const uint8_t* edgec_model_begin() {
  return edgec_model_pte;
}
inline size_t edgec_model_bytes() {
  return sizeof(edgec_model_pte);
}

#endif
