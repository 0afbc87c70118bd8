use std::collections::HashMap;

/// A profile of AWS' credentials and configuration files, as far as access keys, region and
/// endpoint go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Profile(HashMap<String, String>);

impl Profile {
    /// The profile `name` from the texts of both files; what stands in the credentials file goes
    /// before the other. None where neither has it.
    pub(super) fn of(name: &str, credentials: &str, config: &str) -> Option<Self> {
        let from_config = section(config, |title| {
            (name == "default" && title == "default")
                || title
                    .strip_prefix("profile")
                    .is_some_and(|rest| rest.starts_with([' ', '\t']) && rest.trim() == name)
        });
        let from_credentials = section(credentials, |title| title == name);
        match (from_config, from_credentials) {
            (None, None) => None,
            (config, credentials) => {
                let mut all = config.unwrap_or_default();
                all.extend(credentials.unwrap_or_default());
                Some(Self(all))
            }
        }
    }

    pub(super) fn get(&self, setting: &str) -> Option<&String> {
        self.0.get(setting)
    }
}

/// The settings of the section whose title fits. Lines that say nothing are skipped, and so are
/// those of nested settings, which begin with a blank.
fn section(text: &str, fits: impl Fn(&str) -> bool) -> Option<HashMap<String, String>> {
    let mut found: Option<HashMap<String, String>> = None;
    let mut inside = false;
    for line in text.lines() {
        if let Some(title) = line.trim().strip_prefix('[') {
            inside = title.split_once(']').is_some_and(|(t, _)| fits(t.trim()));
            if inside {
                found.get_or_insert_default();
            }
        } else if let (true, Some(found), Some((key, value))) =
            (inside, found.as_mut(), line.split_once('='))
            && !line.starts_with([' ', '\t', '#', ';'])
        {
            let value = value.split(" #").next().unwrap_or_default();
            found.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_profile_joins_both_files() {
        let credentials = "[default]\naws_access_key_id=A\n\n; not [this]\n[studio]\n\
                           aws_access_key_id = B \naws_secret_access_key=b=/+ # ours\n";
        let config = "[default]\nregion = eu-west-1\n[profile studio]\nregion=eu-central-1\n\
                      s3 =\n  addressing_style = path\nendpoint_url = http://127.0.0.1:9\n";
        let studio = Profile::of("studio", credentials, config).unwrap();
        assert_eq!(studio.get("aws_access_key_id").unwrap(), "B");
        assert_eq!(studio.get("aws_secret_access_key").unwrap(), "b=/+");
        assert_eq!(studio.get("region").unwrap(), "eu-central-1");
        assert_eq!(studio.get("endpoint_url").unwrap(), "http://127.0.0.1:9");
        assert_eq!(studio.get("addressing_style"), None);
        let default = Profile::of("default", credentials, config).unwrap();
        assert_eq!(default.get("region").unwrap(), "eu-west-1");
        assert_eq!(Profile::of("other", credentials, config), None);
        // In the configuration file profiles are called so; elsewhere they are not.
        assert_eq!(Profile::of("studio", "", "[studio]\na=1"), None);
    }

    proptest! {
        #[test]
        fn any_text_has_profiles_or_none(text in "\\PC{0,80}|[\\[\\]a= \n#]{0,80}") {
            let _ = Profile::of("a", &text, &text);
        }
    }
}
