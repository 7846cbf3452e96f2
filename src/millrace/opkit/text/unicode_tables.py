"""Unicode facts as code point ranges: scripts (Unicode 11) from a table here, categories from `unicodedata`.

Python's standard library knows no scripts. The table is the Unicode Character Database's `Scripts` property
as run lengths over all code points; a script's number is the one ICU gives it (`UScriptCode`), which
`UnicodeScript` returns.
"""

import functools
import unicodedata
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

Ranges: TypeAlias = tuple[tuple[int, int], ...]

# Surrogates are not characters of valid UTF-8, so no range set here ever holds them.
_UNIVERSE = ((0, 0xD7FF), (0xE000, 0x10FFFF))
_CODE_POINTS = 0x110000

_SCRIPT_NAMES = (
    "0:Common 1:Inherited 2:Arabic 3:Armenian 4:Bengali 5:Bopomofo 6:Cherokee 7:Coptic 8:Cyrillic "
    "9:Deseret 10:Devanagari 11:Ethiopic 12:Georgian 13:Gothic 14:Greek 15:Gujarati 16:Gurmukhi 17:Han "
    "18:Hangul 19:Hebrew 20:Hiragana 21:Kannada 22:Katakana 23:Khmer 24:Lao 25:Latin 26:Malayalam "
    "27:Mongolian 28:Myanmar 29:Ogham 30:Old_Italic 31:Oriya 32:Runic 33:Sinhala 34:Syriac 35:Tamil "
    "36:Telugu 37:Thaana 38:Thai 39:Tibetan 40:Canadian_Aboriginal 41:Yi 42:Tagalog 43:Hanunoo 44:Buhid "
    "45:Tagbanwa 46:Braille 47:Cypriot 48:Limbu 49:Linear_B 50:Osmanya 51:Shavian 52:Tai_Le 53:Ugaritic "
    "55:Buginese 56:Glagolitic 57:Kharoshthi 58:Syloti_Nagri 59:New_Tai_Lue 60:Tifinagh 61:Old_Persian "
    "62:Balinese 63:Batak 65:Brahmi 66:Cham 71:Egyptian_Hieroglyphs 75:Pahawh_Hmong 76:Old_Hungarian "
    "78:Javanese 79:Kayah_Li 82:Lepcha 83:Linear_A 84:Mandaic 86:Meroitic_Hieroglyphs 87:Nko "
    "88:Old_Turkic 89:Old_Permic 90:Phags_Pa 91:Phoenician 92:Miao 99:Vai 101:Cuneiform 104:Carian "
    "106:Tai_Tham 107:Lycian 108:Lydian 109:Ol_Chiki 110:Rejang 111:Saurashtra 112:SignWriting "
    "113:Sundanese 115:Meetei_Mayek 116:Imperial_Aramaic 117:Avestan 118:Chakma 120:Kaithi 121:Manichaean "
    "122:Inscriptional_Pahlavi 123:Psalter_Pahlavi 125:Inscriptional_Parthian 126:Samaritan 127:Tai_Viet "
    "130:Bamum 131:Lisu 133:Old_South_Arabian 134:Bassa_Vah 135:Duployan 136:Elbasan 137:Grantha "
    "140:Mende_Kikakui 141:Meroitic_Cursive 142:Old_North_Arabian 143:Nabataean 144:Palmyrene "
    "145:Khudawadi 146:Warang_Citi 149:Mro 150:Nushu 151:Sharada 152:Sora_Sompeng 153:Takri 154:Tangut "
    "156:Anatolian_Hieroglyphs 157:Khojki 158:Tirhuta 159:Caucasian_Albanian 160:Mahajani 161:Ahom "
    "162:Hatran 163:Modi 164:Multani 165:Pau_Cin_Hau 166:Siddham 167:Adlam 168:Bhaiksuki 169:Marchen "
    "170:Newa 171:Osage 175:Masaram_Gondi 176:Soyombo 177:Zanabazar_Square 178:Dogra 179:Gunjala_Gondi "
    "180:Makasar 181:Medefaidrin 182:Hanifi_Rohingya 183:Sogdian 184:Old_Sogdian "
)

# "count.script", both hexadecimal, from code point 0 upwards.
_SCRIPT_RUNS = (
    "41.0 1a.19 6.0 1a.19 2f.0 1.19 f.0 1.19 5.0 17.19 1.0 1f.19 1.0 1c1.19 27.0 5.19 5.0 2.5 14.0 70.1 "
    "4.e 1.0 3.e 2.67 4.e 1.0 1.e 4.67 1.e 1.0 1.e 1.0 3.e 1.67 1.e 1.67 14.e 1.67 3f.e e.7 10.e 85.8 2.1 "
    "a9.8 1.67 26.3 2.67 30.3 1.0 1.3 2.67 3.3 1.67 37.13 8.67 1b.13 4.67 6.13 b.67 5.2 1.0 6.2 1.0 e.2 "
    "1.0 1.2 1.67 1.2 1.0 20.2 1.0 a.2 b.1 1a.2 1.1 6c.2 1.0 22.2 e.22 1.67 3c.22 2.67 3.22 30.2 32.25 "
    "e.67 3b.57 2.67 3.57 2e.7e 2.67 f.7e 1.67 1c.54 2.67 1.54 1.67 b.22 35.67 15.2 1.67 8.2 15.67 f.2 "
    "1.0 1d.2 51.a 2.1 11.a 2.0 1a.a 4.4 1.67 8.4 2.67 2.4 2.67 16.4 1.67 7.4 1.67 1.4 3.67 4.4 2.67 9.4 "
    "2.67 2.4 2.67 4.4 8.67 1.4 4.67 2.4 1.67 5.4 2.67 19.4 2.67 3.10 1.67 6.10 4.67 2.10 2.67 16.10 1.67 "
    "7.10 1.67 2.10 1.67 2.10 1.67 2.10 2.67 1.10 1.67 5.10 4.67 2.10 2.67 3.10 3.67 1.10 7.67 4.10 1.67 "
    "1.10 7.67 11.10 a.67 3.f 1.67 9.f 1.67 3.f 1.67 16.f 1.67 7.f 1.67 2.f 1.67 5.f 2.67 a.f 1.67 3.f "
    "1.67 3.f 2.67 1.f f.67 4.f 2.67 c.f 7.67 7.f 1.67 3.1f 1.67 8.1f 2.67 2.1f 2.67 16.1f 1.67 7.1f 1.67 "
    "2.1f 1.67 5.1f 2.67 9.1f 2.67 2.1f 2.67 3.1f 8.67 2.1f 4.67 2.1f 1.67 5.1f 2.67 12.1f a.67 2.23 1.67 "
    "6.23 3.67 3.23 1.67 4.23 3.67 2.23 1.67 1.23 1.67 2.23 3.67 2.23 3.67 3.23 3.67 c.23 4.67 5.23 3.67 "
    "3.23 1.67 4.23 2.67 1.23 6.67 1.23 e.67 15.23 5.67 d.24 1.67 3.24 1.67 17.24 1.67 10.24 3.67 8.24 "
    "1.67 3.24 1.67 4.24 7.67 2.24 1.67 3.24 5.67 4.24 2.67 a.24 8.67 8.24 d.15 1.67 3.15 1.67 17.15 1.67 "
    "a.15 1.67 5.15 2.67 9.15 1.67 3.15 1.67 4.15 7.67 2.15 7.67 1.15 1.67 4.15 2.67 a.15 1.67 2.15 d.67 "
    "4.1a 1.67 8.1a 1.67 3.1a 1.67 33.1a 1.67 3.1a 1.67 6.1a 4.67 10.1a 2.67 1a.1a 2.67 2.21 1.67 12.21 "
    "3.67 18.21 1.67 9.21 1.67 1.21 2.67 7.21 3.67 1.21 4.67 6.21 1.67 1.21 1.67 8.21 6.67 a.21 2.67 3.21 "
    "c.67 3a.26 4.67 1.0 1c.26 25.67 2.18 1.67 1.18 2.67 2.18 1.67 1.18 2.67 1.18 6.67 4.18 1.67 7.18 "
    "1.67 3.18 1.67 1.18 1.67 1.18 2.67 2.18 1.67 d.18 1.67 3.18 2.67 5.18 1.67 1.18 1.67 6.18 2.67 a.18 "
    "2.67 4.18 20.67 48.27 1.67 24.27 4.67 27.27 1.67 24.27 1.67 f.27 1.67 7.27 4.0 2.27 25.67 a0.1c 26.c "
    "1.67 1.c 5.67 1.c 2.67 2b.c 1.0 4.c 100.12 49.b 1.67 4.b 2.67 7.b 1.67 1.b 1.67 4.b 2.67 29.b 1.67 "
    "4.b 2.67 21.b 1.67 4.b 2.67 7.b 1.67 1.b 1.67 4.b 2.67 f.b 1.67 39.b 1.67 4.b 2.67 43.b 2.67 20.b "
    "3.67 1a.b 6.67 56.6 2.67 6.6 2.67 280.28 1d.1d 3.67 4b.20 3.0 b.20 7.67 d.2a 1.67 7.2a b.67 15.2b "
    "2.0 9.67 14.2c c.67 d.2d 1.67 3.2d 1.67 2.2d c.67 5e.17 2.67 a.17 6.67 a.17 6.67 2.1b 2.0 1.1b 1.0 "
    "9.1b 1.67 a.1b 6.67 59.1b 7.67 2b.1b 5.67 46.28 a.67 1f.30 1.67 c.30 4.67 c.30 4.67 1.30 3.67 c.30 "
    "1e.34 2.67 5.34 b.67 2c.3b 4.67 1a.3b 6.67 b.3b 3.67 2.3b 20.17 1c.37 2.67 2.37 3f.6a 1.67 1d.6a "
    "2.67 b.6a 6.67 a.6a 6.67 e.6a 2.67 f.1 41.67 4c.3e 4.67 2d.3e 3.67 40.71 34.3f 8.67 4.3f 38.52 3.67 "
    "f.52 3.67 3.52 30.6d 9.8 7.67 2b.c 2.67 3.c 8.71 8.67 3.1 1.0 d.1 1.0 7.1 4.0 1.1 6.0 1.1 3.0 2.1 "
    "6.67 26.19 5.e 1.8 31.19 5.e 4.19 5.e d.19 1.8 46.19 1.e 3a.1 1.67 5.1 100.19 16.e 2.67 6.e 2.67 "
    "26.e 2.67 6.e 2.67 8.e 1.67 1.e 1.67 1.e 1.67 1.e 1.67 1f.e 2.67 35.e 1.67 f.e 1.67 e.e 2.67 6.e "
    "1.67 13.e 2.67 3.e 1.67 9.e 1.67 c.0 2.1 57.0 1.67 b.0 1.19 2.67 b.0 1.19 f.0 1.67 d.19 3.67 20.0 "
    "10.67 21.1 f.67 26.0 1.e 3.0 2.19 6.0 1.19 1b.0 1.19 11.0 29.19 3.0 4.67 297.0 19.67 b.0 15.67 3a0.0 "
    "100.2e 274.0 2.67 20.0 2.67 31.0 1.67 35.0 1.67 2f.38 1.67 2f.38 1.67 20.19 74.7 5.67 7.7 26.c 1.67 "
    "1.c 5.67 1.c 2.67 38.3c 7.67 2.3c e.67 1.3c 17.b 9.67 7.b 1.67 7.b 1.67 7.b 1.67 7.b 1.67 7.b 1.67 "
    "7.b 1.67 7.b 1.67 7.b 1.67 20.8 4f.0 31.67 1a.11 1.67 59.11 c.67 d6.11 1a.67 c.0 4.67 5.0 1.11 1.0 "
    "1.11 19.0 9.11 4.1 2.12 8.0 4.11 4.0 1.67 56.14 2.67 2.1 2.0 3.14 1.0 5a.16 2.0 3.16 5.67 2b.5 1.67 "
    "5e.12 1.67 10.0 1b.5 5.67 24.0 c.67 10.16 1f.12 1.67 40.0 1f.12 51.0 2f.16 1.67 58.16 a8.0 19b6.11 "
    "a.67 40.0 51f0.11 10.67 48d.29 3.67 37.29 9.67 30.83 12c.63 14.67 60.8 58.82 8.67 22.0 66.19 3.0 "
    "2f.19 3d.67 9.19 2c.3a 4.67 a.0 6.67 38.5a 8.67 46.6f 8.67 c.6f 6.67 20.a 2e.4f 1.0 1.4f 24.6e b.67 "
    "1.6e 1d.12 3.67 4e.4e 1.67 1.0 a.4e 4.67 2.4e 1f.1c 1.67 37.42 9.67 e.42 2.67 a.42 2.67 4.42 20.1c "
    "43.7f 18.67 5.7f 17.73 a.67 6.b 2.67 6.b 2.67 6.b 9.67 7.b 1.67 7.b 1.67 2b.19 1.0 9.19 1.e a.67 "
    "50.6 2e.73 2.67 a.73 6.67 2ba4.12 c.67 17.12 4.67 31.12 2104.67 16e.11 2.67 6a.11 26.67 7.19 c.67 "
    "5.3 5.67 1a.13 1.67 5.13 1.67 1.13 1.67 2.13 1.67 2.13 1.67 a.13 72.2 11.67 16b.2 2.0 10.67 40.2 "
    "2.67 36.2 28.67 e.2 2.67 10.1 a.0 6.67 e.1 2.8 23.0 1.67 13.0 1.67 4.0 4.67 5.2 1.67 87.2 2.67 1.0 "
    "1.67 20.0 1a.19 6.0 1a.19 b.0 a.16 1.0 2d.16 2.0 1f.12 3.67 6.12 2.67 6.12 2.67 6.12 2.67 3.12 3.67 "
    "7.0 1.67 7.0 a.67 5.0 2.67 c.31 1.67 1a.31 1.67 13.31 1.67 2.31 1.67 f.31 2.67 e.31 22.67 7b.31 5.67 "
    "3.0 4.67 2d.0 3.67 9.0 4f.e 1.67 c.0 4.67 1.e 2f.67 2d.0 1.1 82.67 1d.6b 3.67 31.68 f.67 1.1 1b.0 "
    "4.67 24.1e 9.67 3.1e 1b.d 5.67 2b.59 5.67 1e.35 1.67 1.35 24.3d 4.67 e.3d 2a.67 50.9 30.33 1e.32 "
    "2.67 a.32 6.67 24.ab 4.67 24.ab 4.67 28.88 8.67 34.9f b.67 1.9f 90.67 137.53 9.67 16.53 a.67 8.53 "
    "98.67 6.2f 2.67 1.2f 1.67 2c.2f 1.67 2.2f 3.67 1.2f 2.67 1.2f 16.74 1.67 9.74 20.90 1f.8f 8.67 9.8f "
    "30.67 13.a2 1.67 2.a2 5.67 5.a2 1c.5b 3.67 1.5b 1a.6c 5.67 1.6c 40.67 20.56 18.8d 4.67 14.8d 2.67 "
    "2e.8d 4.39 1.67 2.39 5.67 8.39 1.67 3.39 1.67 1d.39 2.67 3.39 4.67 a.39 7.67 9.39 7.67 20.85 20.8e "
    "20.67 27.79 4.67 c.79 9.67 36.75 3.67 7.75 16.7d 2.67 8.7d 13.7a 5.67 8.7a 12.7b 7.67 4.7b c.67 7.7b "
    "50.67 49.58 37.67 33.4c d.67 33.4c 7.67 6.4c 28.b6 8.67 a.b6 126.67 1f.2 81.67 28.b8 8.67 2a.b7 "
    "a6.67 4e.41 4.67 1e.41 f.67 1.41 42.78 b.67 1.78 2.67 19.98 7.67 a.98 6.67 35.76 1.67 11.76 9.67 "
    "27.a0 9.67 4e.97 2.67 10.97 1.67 14.21 b.67 12.9d 1.67 2c.9d 41.67 7.a4 1.67 1.a4 1.67 4.a4 1.67 "
    "f.a4 1.67 b.a4 6.67 3b.91 5.67 a.91 6.67 4.89 1.67 8.89 2.67 2.89 2.67 16.89 1.67 7.89 1.67 2.89 "
    "1.67 5.89 1.67 1.1 9.89 2.67 2.89 2.67 3.89 2.67 1.89 6.67 1.89 5.67 7.89 2.67 7.89 3.67 5.89 8b.67 "
    "5a.aa 1.67 1.aa 1.67 2.aa 21.67 48.9e 8.67 a.9e a6.67 36.a6 2.67 26.a6 22.67 45.a3 b.67 a.a3 6.67 "
    "d.1b 13.67 38.99 8.67 a.99 36.67 1b.a1 2.67 f.a1 4.67 10.a1 c0.67 3c.b2 64.67 53.92 c.67 1.92 100.67 "
    "48.b1 8.67 34.b0 2.67 1d.b0 1d.67 39.a5 107.67 9.a8 1.67 2d.a8 1.67 e.a8 a.67 1d.a8 3.67 20.a9 2.67 "
    "16.a9 1.67 e.a9 49.67 7.af 1.67 2.af 1.67 2c.af 3.67 1.af 1.67 2.af 1.67 9.af 8.67 a.af 6.67 6.b3 "
    "1.67 2.b3 1.67 25.b3 1.67 2.b3 1.67 6.b3 7.67 a.b3 136.67 19.b4 107.67 39a.65 66.67 6f.65 1.67 5.65 "
    "b.67 c4.65 abc.67 42f.47 fd1.67 247.9c 21b9.67 239.82 7.67 1f.95 1.67 a.95 4.67 2.95 60.67 1e.86 "
    "2.67 6.86 a.67 46.4b a.67 a.4b 1.67 7.4b 1.67 15.4b 5.67 13.4b 2b0.67 5b.b5 65.67 45.5c b.67 2f.5c "
    "10.67 11.5c 40.67 1.9a 1.96 1e.67 17f2.9a e.67 2f3.9a 250d.67 1.16 11e.14 51.67 18c.96 904.67 6b.87 "
    "5.67 d.87 3.67 9.87 7.67 a.87 2.67 4.87 4.0 135c.67 f6.0 a.67 27.0 2.67 3e.0 3.1 11.0 8.1 2.0 7.1 "
    "1e.0 4.1 3b.0 17.67 46.e 9a.67 14.0 c.67 57.0 9.67 19.0 87.67 55.0 1.67 47.0 1.67 2.0 2.67 1.0 2.67 "
    "2.0 2.67 4.0 1.67 c.0 1.67 1.0 1.67 7.0 1.67 41.0 1.67 4.0 2.67 8.0 1.67 7.0 1.67 1c.0 1.67 4.0 1.67 "
    "5.0 1.67 1.0 3.67 7.0 1.67 154.0 2.67 124.0 2.67 32.0 28c.70 f.67 5.70 1.67 f.70 550.67 7.38 1.67 "
    "11.38 2.67 7.38 1.67 2.38 1.67 5.38 7d5.67 c5.8c 2.67 10.8c 29.67 4b.a7 5.67 a.a7 4.67 2.a7 311.67 "
    "44.0 14b.67 4.2 1.67 1b.2 1.67 2.2 1.67 1.2 2.67 1.2 1.67 a.2 1.67 4.2 1.67 1.2 1.67 1.2 6.67 1.2 "
    "4.67 1.2 1.67 1.2 1.67 1.2 1.67 3.2 1.67 2.2 1.67 1.2 2.67 1.2 1.67 1.2 1.67 1.2 1.67 1.2 1.67 1.2 "
    "1.67 2.2 1.67 1.2 2.67 4.2 1.67 7.2 1.67 4.2 1.67 4.2 1.67 1.2 1.67 a.2 1.67 11.2 5.67 3.2 1.67 5.2 "
    "1.67 11.2 34.67 2.2 10e.67 2c.0 4.67 64.0 c.67 f.0 2.67 f.0 1.67 f.0 1.67 25.0 a.67 d.0 3.67 5c.0 "
    "4.67 3d.0 39.67 1a.0 1.14 2.0 d.67 2c.0 4.67 9.0 7.67 2.0 e.67 6.0 9a.67 3d5.0 b.67 d.0 3.67 a.0 "
    "6.67 74.0 c.67 59.0 27.67 c.0 4.67 38.0 8.67 a.0 6.67 28.0 8.67 1e.0 52.67 c.0 4.67 2f.0 1.67 31.0 "
    "2.67 4.0 3.67 1.0 1.67 27.0 d.67 a.0 6.67 3.0 d.67 30.0 60.67 e.0 592.67 a6d7.11 29.67 1035.11 b.67 "
    "de.11 2.67 1682.11 e.67 1d31.11 c1f.67 21e.11 b05e3.67 1.0 1e.67 60.0 80.67 f0.1 2fe10.67 "
)


@functools.cache
def script_runs() -> tuple[np.ndarray, np.ndarray]:
    """The runs of code points with one script.

    Returns:
      `[n]` int64 first code points, ascending, and `[n]` int32 ICU script numbers.
    """
    pairs = [run.split(".") for run in _SCRIPT_RUNS.split()]
    counts = np.array([int(count, 16) for count, _ in pairs], np.int64)
    return np.cumsum(counts) - counts, np.array([int(script, 16) for _, script in pairs], np.int32)


def complement(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """All characters outside `ranges`, sorted and merged.

    Args:
      ranges: inclusive code point ranges in any order, overlaps allowed.
    """
    out = []
    ordered = sorted(ranges)
    for first, last in _UNIVERSE:
        at = first
        for low, high in ordered:
            if low > last:
                break
            if low > at:
                out.append((at, low - 1))
            at = max(at, high + 1)
        if at <= last:
            out.append((at, last))
    return tuple(out)


@functools.lru_cache(maxsize=64)
def property_ranges(name: str) -> Ranges | None:
    """The characters of a general category (`N`, `Lu`), a script (`Greek`) or `Any`; None for other names."""
    if name == "Any":
        return _UNIVERSE
    scripts = dict(entry.split(":")[::-1] for entry in _SCRIPT_NAMES.split())  # pyright: ignore[reportArgumentType, reportCallIssue]
    if name in scripts:
        starts, codes = script_runs()
        ends = np.append(starts[1:], _CODE_POINTS) - 1
        chosen = codes == int(scripts[name])
        return tuple(zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True))
    if len(name) not in (1, 2):
        return None
    categories = _category_names()
    chosen = np.flatnonzero(np.char.startswith(categories, name))
    if not chosen.size:
        return None
    breaks = np.flatnonzero(np.diff(chosen) > 1)
    firsts = chosen[np.concatenate(([0], breaks + 1))]
    lasts = chosen[np.concatenate((breaks, [chosen.size - 1]))]
    merged = tuple(zip(firsts.tolist(), lasts.tolist(), strict=True))
    return complement(complement(merged))


@functools.cache
def _category_names() -> np.ndarray:
    return np.array([unicodedata.category(chr(code)) for code in range(_CODE_POINTS)], "U2")
