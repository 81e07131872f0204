"""British and American spellings: the one table, for all code that compares words."""

import re

# Words in questions and answers about products, except words that one side tells apart (disc, storey).
_BRITISH_AMERICAN = """
    grey gray, greys grays, greyish grayish, greyscale grayscale,
    colour color, colours colors, coloured colored, colouring coloring, colourful colorful,
    colourless colorless, multicolour multicolor, multicoloured multicolored, watercolour watercolor,
    tricolour tricolor, bicolour bicolor,
    jewellery jewelry, jewelled jeweled, aluminium aluminum, centre center, centres centers, centred centered,
    fibre fiber, fibres fibers, fibreglass fiberglass, microfibre microfiber, metre meter, metres meters,
    litre liter, litres liters, theatre theater, lustre luster, ochre ocher, sabre saber,
    mould mold, moulds molds, moulded molded, moulding molding, mouldings moldings,
    tyre tire, tyres tires, pyjama pajama, pyjamas pajamas, cosy cozy, woollen woolen, chequered checkered,
    panelled paneled, bevelled beveled, labelled labeled, enamelled enameled, channelled channeled,
    swivelling swiveling, flavour flavor, flavours flavors, flavoured flavored, favourite favorite,
    odour odor, harbour harbor, armour armor, armoured armored, moustache mustache, doughnut donut,
    doughnuts donuts, aeroplane airplane, aeroplanes airplanes, catalogue catalog, catalogues catalogs
    """
_AMERICAN = dict(re.findall(r"(\w+) (\w+)", _BRITISH_AMERICAN))


def american(word: str) -> str:
    """A lower-case word, or several joined by hyphens, in American spelling: "grey-green" → "gray-green"."""
    if "-" in word:
        return "-".join(_AMERICAN.get(part, part) for part in word.split("-"))
    return _AMERICAN.get(word, word)
