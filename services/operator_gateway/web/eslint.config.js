import js from "@eslint/js";
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["public/**", "eslint.config.js"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  reactHooks.configs.flat.recommended,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "max-lines": ["error", 400],
      // Text of visitors is text: nothing here may become markup.
      "no-restricted-syntax": [
        "error",
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "visitor text is text" },
        { selector: "AssignmentExpression[left.property.name=/^(inner|outer)HTML$/]", message: "visitor text is text" },
      ],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // Tells the React Compiler what to leave alone; it is not used here.
      "react-hooks/incompatible-library": "off",
      // The data are guarded where they come in; `noUncheckedIndexedAccess` does the rest.
      "@typescript-eslint/no-non-null-assertion": "error",
    },
  },
);
